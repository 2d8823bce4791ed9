#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a volume that create has made could not grow,
# or who dies meanwhile would leave it with metadata that are too small.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
requires_cmd replicactl jq

mib=1048576
mkdir "$scratch_dir/volumes"
begin_config
cat >>"$scratch_dir/conf" <<END
[backend east]
driver=file
folder=$scratch_dir/volumes
END
native_mib=600
start_target v
size() {
	stat -c %s "$(of v "$1")"
}
need() {
	replicactl kernel meta-size $(($1 * 2048)) --json | jq .meta_bytes
}
has_grown() {
	field_is v size_bytes $(($1 * mib)) && settled v
}
start_daemon
check "a volume" replicactl create v --size 100MiB --target "$(uri_of v)"
check "  is replicated" wait_settled v
check "it grows" replicactl extend v --size 200MiB
is "  its base" "$(size base)" $((200 * mib))
is "  its metadata" "$(size metadata)" "$(need 200)"
check "  itself" wait_until 60 has_grown 200
is "  the record says so" "$(of v size_bytes)" $((200 * mib))
sim-ctl write v $((190 * mib)) $mib
check "  what is written in its new part" wait_settled v 60
check "  is at the target" cmp -n $((200 * mib)) "$scratch_dir/v.img" \
	"$scratch_dir/v.target"
refuses "not to a smaller size" "not made smaller" replicactl extend v --size 8MiB
refuses "nor to the same" "no more than" replicactl extend v --size 200MiB
refuses "nor to none" "size" rpc-call extend '{"volume":"v","size_bytes":0}'
refuses "none that was made" "not made here" replicactl extend x --size 8MiB

grow=210
for step in growing grown; do
	stop_daemon
	SIM_DIE_AT=$step start_daemon
	replicactl extend v --size ${grow}MiB >/dev/null 2>&1
	wait $daemon_pid
	is "dies at \"$step\"" $? 137
	start_daemon
	check "  the next one goes on" wait_until 60 has_grown $grow
	is "  with all of it" "$(size base) $(size metadata) $(of v step)" \
		"$((grow * mib)) $(need $grow) ready"
	grow=$((grow + 70))
done

base=$(of v base)
check "one that is not replicated" replicactl disable v
mv "$base" "$base.away"
refuses "  whose base is gone" "img: No such file" replicactl extend v \
	--size 300MiB
is "  which is forgotten" "$(of v step) $(of v size_bytes)" \
	"ready $(stat -c %s "$base.away")"
check "  nor made anew" test ! -e "$base"
mv "$base.away" "$base"
check "  then it grows" replicactl extend v --size 300MiB
is "  its base" "$(size base) $(of v step)" "$((300 * mib)) ready"
stop_daemon
is "a clean stop" $? 0
finish

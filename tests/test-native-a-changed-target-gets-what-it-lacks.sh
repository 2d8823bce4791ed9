#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume that goes back to an earlier target
# would send what that has already, or not send what it lacks; also when replicad
# is killed amid that.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_cmd jq

start_site() { # NAME
	mkdir -p "$scratch_dir/$1.stage"
	start_nbdkit "$scratch_dir/$1.nbd" "$plugin_so" \
		"dir=$scratch_dir/$1.stage" history=1h \
		"create=a:${native_mib}MiB:$scratch_dir/$1.base"
}
add_target() { # ID SITE [KEY=VALUE]
	replicactl target add "$1" "uri=nbd+unix:///a?socket=$scratch_dir/$2.nbd" \
		"${@:3}" >/dev/null || bail "no target $1"
}
# has SITE: the newest image there is the volume
has() {
	wait_settled a 60 && nbdcopy "nbd+unix:///a@latest?socket=$scratch_dir/$1.nbd" \
		"$scratch_dir/image" && cmp "$scratch_dir/a.img" "$scratch_dir/image"
}
# go_to ID: the other one is off; the counters begin anew with a target
go_to() {
	local other=one
	[ "$1" = two ] || other=two
	replicactl target set "$1" enabled=yes >/dev/null &&
		replicactl target set $other enabled=no >/dev/null
}
sent() {
	field a bytes_shipped
}
# differ N: N chunks of the volume become other ones, here and there
differ() {
	local i
	for ((i = 0; i < $1; i++)); do
		sim-ctl write a $((i * 397 % 1000 * 4096)) 4096 $((RANDOM + 1))
	done
}

make_volume a
start_site east
start_site west
begin_config
printf '%s\n' '[type t]' 'replication:target=one, two' replication:interval=20ms \
	replication:heartbeat=200ms replication:stale_wait=100ms \
	>>"$scratch_dir/conf"
start_daemon
add_target one east
add_target two west enabled=no
rpc-call enable '{"volume":"a","options":{"type":"t"}}' >/dev/null ||
	bail "not enabled"
check "all of it is at the first" has east
all=$((native_mib * 1048576 / 2))
check "  $(sent) bytes were sent" test "$(sent)" -ge $all
go_to two
check "all of it is at the second" has west
check "  $(sent) bytes were sent" test "$(sent)" -ge $all

differ 20
check "the second has what is new" has west
go_to one
check "back: the first has it, too" has east
check "  $(sent) bytes were sent, for 20 chunks" eval \
	'[ $(sent) -ge $((20 * 4096)) ] && [ $(sent) -le $((24 * 4096)) ]'
go_to two
check "the second lacks nothing: $(sent) bytes" eval \
	'has west && [ $(sent) -le $((4 * 4096)) ]'

# --- killed amid the change ---------------------------------------------------------
differ 10
check "it is at the second" has west
go_to one
kill_daemon
start_daemon
differ 5
check "killed on its way back: the first has it" has east
go_to two
sim-ctl storm a 500 7 200 &
storm=$!
sleep 0.1	# amid it: any moment will do
kill_daemon
start_daemon
wait $storm
check "killed under load: the second has it" has west
stop_daemon
is "it stops cleanly" $? 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a verb would be taken after which the next
# start of replicad fails, and with it all volumes: of a target that a volume in
# a file names, though it does not run, or of a volume that a file has, too.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd replicactl

# It ends the test if replicad does not start.
restart() {
	stop_daemon
	start_daemon
}
for v in a b c; do
	make_volume $v
	start_target $v
done
begin_config
configure a
start_daemon
check "a target is added" replicactl target add rt "uri=$(uri_of b)"
cp "$scratch_dir/conf" "$scratch_dir/before"
printf '[volume b]\ntargets=rt\n' >>"$scratch_dir/conf"
refuses "it is not removed: a file names it" "volume b (.*conf:[0-9]*)" \
	replicactl target remove rt
refuses "nor switched off" "volume b (.*conf:[0-9]*)" \
	replicactl target set rt enabled=no
restart
check "replicad starts again, with that volume" replica_equals b
check "which is disabled" replicactl disable b
refuses "  its target is not removed either" "volume b (.*conf:[0-9]*)" \
	replicactl target remove rt
restart
cp "$scratch_dir/before" "$scratch_dir/conf"
check "when no file names it" replicactl config reload
check "  it can go" replicactl target remove rt

check "a volume is added" replicactl enable c --target "$(uri_of c)"
check "  it is replicated" replica_equals c
configure c interval=70ms
restart
check "a file has it now, too: replicad starts, and says whose it is" wait_until 60 grep -q "the volume c is ignored: .*conf:[0-9]* has one" \
	"$daemon_log"
shown() {
	replicactl config show --config "$scratch_dir/conf" \
		--state-dir "$state_dir" | grep -A 20 "^\[volume c\]"
}
check "  the file's is the one" eval 'shown | grep -q "^interval *= *70ms"'
check "  it is replicated" replica_equals c

echo "[volum x]" >>"$scratch_dir/conf"
make_volume d
start_target d
refuses "files that cannot be read now: nothing is added beside them" "conf:[0-9]*" \
	replicactl enable d --target "$(uri_of d)"
sed -i '$d' "$scratch_dir/conf"
check "then it is" replicactl enable d --target "$(uri_of d)"
restart
check "  and is kept" replica_equals d
stop_daemon
is "a clean stop" $? 0
finish

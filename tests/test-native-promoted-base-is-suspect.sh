#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: what a boot, or a rescue system, has
# written to the base of a promoted volume would be known to nobody (L1).
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

replicate_pair
make_epoch 11 0
lose_a
kill_b
cp -a "$site_b" "$scratch_dir/kept"

is_suspect() {
	jq .suspect "$site_b/state/a.id"
}

# boot_b: others have the base before us, as all that the sim calls "plain"
boot_b() {
	kill_b
	b sim-ctl meta a unplug
	b sim-ctl write a 3145728 131072 "$1"
	start_b
}

for at in noted-left done-active; do
	rm -rf "$site_b"
	cp -a "$scratch_dir/kept" "$site_b"
	touch "$site_b/shared"
	export SIM_DIE_AT=$at
	start_b
	unset SIM_DIE_AT
	b replicactl failover a --force >/dev/null 2>&1
	wait_until 60 eval '! kill -0 $b_pid 2>/dev/null'
	kill_b
	[ $at = noted-left ] || b sim-ctl meta a unplug
	start_b
	check "killed at $at: it goes on" wait_until 60 failed_over
	is "and the base is suspect" "$(is_suspect)" true
	kill_b
done

rm -rf "$site_b"
cp -a "$scratch_dir/kept" "$site_b"
start_b
b replicactl failover a --force >/dev/null || bail "no failover"
is "a base that the stage had until now is not suspect" "$(is_suspect)" false
boot_b 21
wait_until 60 failed_over || bail "it is not made again"
is "neither is one that nobody else activates" "$(is_suspect)" false

touch "$site_b/shared"
make_target() {
	b replicactl enable a --target "local:$scratch_dir/third" \
		--interval 20ms --heartbeat 200ms
}
b_settled() {
	[ "$(b rpc-call get a state)" = replicating ] &&
		[ "$(b rpc-call get a dirty_bytes)" = 0 ] &&
		[ "$(b rpc-call get a epoch)" = 0 ]
}
truncate -s $((native_mib * 1048576 + 1048576)) "$scratch_dir/third"
check "it is replicated to a third place" make_target
check "which has it" wait_until 60 b_settled
kill_b
start_b
check "a restart" wait_until 60 b_settled
is "makes nothing suspect" "$(is_suspect)" false
boot_b 22
check "a boot that has written to it" wait_until 60 b_settled
check "is caught up with" cmp -n $((native_mib * 1048576)) \
	"$site_b/a.base" "$scratch_dir/third"
kill_b
finish

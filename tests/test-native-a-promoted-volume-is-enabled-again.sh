#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume that was promoted, and is not
# replicated any more, could not be replicated again, or what was written meanwhile
# would never be sent.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

third=$scratch_dir/third
mkdir "$third"
enable() {
	b replicactl enable a --target "local:$third/a" --interval 20ms \
		--heartbeat 200ms --yes
}
b_settled() {
	[ "$(b rpc-call get a state)" = replicating ] &&
		[ "$(b rpc-call get a dirty_bytes)" = 0 ] &&
		[ "$(b rpc-call get a epoch)" = 0 ]
}
equals() {
	wait_until 60 b_settled && cmp -n $((native_mib * 1048576)) "$third/a" \
		"$site_b/a.base"
}

replicate_pair
make_epoch 11 0
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
truncate -s $(((native_mib + 1) * 1048576)) "$third/a"
check "it is replicated, to a third site" enable
check "  which has all of it" equals
b sim-ctl write a 1048576 65536 21
check "  and what is written" equals
check "it is not replicated any more" b replicactl disable a
is "  nothing is tracked then" "$(b sim-ctl get a plain)" 1
is "  it is the primary still" "$(b rpc-call get a state)" promoted
b sim-ctl write a 2097152 65536 22
kill_b
start_b
check "  after a restart, too" wait_until 60 failed_over
b sim-ctl write a 3145728 65536 23
check "it is replicated again" enable
check "  with what was written meanwhile" equals
b_stops_cleanly
finish

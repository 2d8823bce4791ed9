#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: where the other site does not answer, all
# that "recover" still tries would stand before the verb that helps, more of it
# each time that somebody says it again, and before a stop.
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq
volumes="a b c d e f"
ask_s=3

# They are asked, and do not answer: a server that takes all in, and is stopped.
begin_config
for v in $volumes; do
	sim-ctl create $v 1048576 || bail "no volume $v"
	sim-ctl meta $v unplug || bail "the device of $v is there"
	truncate -s 1M "$scratch_dir/$v.origin"
	configure $v activation=ask metadata=none timeout=${ask_s}s \
		origin="$scratch_dir/$v.origin"
	start_target $v
	kill -STOP "$target_pid"
done

# nr_asked: how many have been asked by now
nr_asked() {
	rpc-call status | jq '[.volumes[] | select(.reason |
		test("does not say whether"))] | length'
}

start_daemon
check "one does not answer" wait_until 30 eval '[ "$(nr_asked)" -ge 1 ]'
for i in 1 2 3; do
	status=0
	replicactl recover --wait 500ms >"$scratch_dir/out" 2>&1 || status=$?
	is "recover, time $i: not all is well" $status 4
done

# --- a verb waits for one that is asked at most ----------------------------------
started=$SECONDS
check "f is disabled" replicactl disable f
took=$((SECONDS - started))
check "  soon" test $took -le $((3 * ask_s)) || note "after $took s"
check "  not all have been asked before" test "$(nr_asked)" -lt 5 ||
	note "$(nr_asked) have"

# --- and so does a stop -----------------------------------------------------------
replicactl recover --wait 500ms >"$scratch_dir/out" 2>&1
started=$SECONDS
stop_daemon
is "it stops cleanly" $? 0
took=$((SECONDS - started))
check "  soon" test $took -le $((3 * ask_s)) || note "after $took s"
finish

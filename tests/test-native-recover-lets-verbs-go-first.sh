#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: where the other site does not answer, all
# that "recover" still tries would stand before the verb that helps, more of it
# each time that somebody says it again, and before a stop.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq ss
volumes="a b c d e f g h i j"
ask_s=5				# all of them: 50 s
soon=25

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
check "one does not answer" wait_until 60 eval '[ "$(nr_asked)" -ge 1 ]'

# --- a verb waits for one that is asked at most ----------------------------------
# What recover tries is in the line when it has ended. All at once, so that few have
# been asked by then.
# nr_wait N: so many have connected, and replicad has not looked yet
nr_wait() {
	[ "$(ss -Hxl src "$REPLICA_SOCKET" | awk '{ print $3 }')" -ge "$1" ]
}
kill -STOP $daemon_pid
askers=()
for i in 1 2 3; do
	replicactl recover --wait 500ms >"$scratch_dir/out" 2>&1 &
	askers+=($!)
	check "recover is asked for, time $i" wait_until 60 nr_wait $i
done
kill -CONT $daemon_pid
for asker in "${askers[@]}"; do
	wait $asker
	is "not all is well" $? 4
done
started=$SECONDS
check "j is disabled" replicactl disable j
took=$((SECONDS - started))
check "  soon" test $took -le $soon || note "after $took s"
check "  not all have been asked before" test "$(nr_asked)" -lt 8 ||
	note "$(nr_asked) have"

# --- and so does a stop -----------------------------------------------------------
replicactl recover --wait 500ms >"$scratch_dir/out" 2>&1
started=$SECONDS
stop_daemon
is "it stops cleanly" $? 0
took=$((SECONDS - started))
check "  soon" test $took -le $soon || note "after $took s"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a program that writes to a volume while it
# is handed over could be told that something is written which the other site
# does not get, or a handover that was not carried out would leave it closed.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

# A writer that has the device open without a claim: sim-kernel.h does not count
# it, as if it had opened it a moment after we looked.
start_writer() {
	: >"$scratch_dir/written"
	sim-ctl count a 500 >"$scratch_dir/written" 2>"$scratch_dir/writer-says" &
	writer=$!
	cleanup_fn kill_pid $writer
	wait_until 60 is_beyond 5 || bail "it does not write"
}

last_written() {
	tail -n 1 "$scratch_dir/written"
}

is_beyond() {
	[ "$(($(last_written)))" -ge "$1" ]
}

goes_on() {
	wait_until 60 is_beyond $(($(last_written) + 10))
}

counter_in() {
	od -An -t u8 -N 8 "$1" | tr -d ' '
}

a_options=metadata=meta
replicate_pair
make_epoch 11 0
start_writer

# Refused: somebody has it open when writers wait already.
export SIM_HOLD_AT=giving-up-held
stop_daemon
start_daemon
unset SIM_HOLD_AT
check "it replicates" wait_until 60 field_is a state replicating
touch "$scratch_dir/hold"
replicactl failover a --planned >"$scratch_dir/says" 2>&1 &
asking=$!
cleanup_fn kill_pid $asking
check "writers wait" wait_until 60 test -e "$scratch_dir/reached"
touch "$scratch_dir/open"
rm "$scratch_dir/hold"
wait $asking
is "who opens it then is noticed" $? 5
check "  and it is said" grep -q "is in use" "$scratch_dir/says"
check "the writer goes on, and has seen no error" goes_on
rm "$scratch_dir/open"
is "its role is what it was" "$(sim-ctl get a role)" 1
check "and it is replicated" wait_until 60 field_is a state replicating

# The other site does not answer any more, when writers wait already.
touch "$scratch_dir/hold"
rm "$scratch_dir/reached"
rpc-call failover '{"volume": "a", "planned": true, "wait_s": 12}' \
	>"$scratch_dir/says" 2>&1 &
asking=$!
cleanup_fn kill_pid $asking
check "writers wait again" wait_until 60 test -e "$scratch_dir/reached"
kill_pid $b_pid
rm "$scratch_dir/hold"
wait $asking
is "it is called off in time" $? 6
check "the writer goes on without the other site" goes_on
start_b
check "which gets it, too" wait_until 60 field_is a state replicating
stop_daemon

# kill -9 at each step: before the point of no return it goes on as the primary.
for step in held begun closed seen; do
	SIM_DIE_AT=giving-up-$step start_daemon
	wait_until 60 field_is a state replicating || bail "it does not replicate"
	replicactl failover a --planned >/dev/null 2>&1
	wait $daemon_pid
	is "killed at $step" $? 137
	kill -KILL $writer 2>/dev/null
	wait $writer 2>/dev/null
	case $step in
	closed | seen) is "  the kernel keeps it closed" "$(sim-ctl get a role)" 2 ;;
	*) is "  the kernel takes writes" "$(sim-ctl get a role)" 1 ;;
	esac
	sim-ctl reload a
	start_daemon
	check "  and it goes on as the primary" wait_until 60 field_is a state \
		replicating
	is "  its role" "$(sim-ctl get a role)" 1
	start_writer
	kill_daemon
	check "  the writer goes on, also without replicad" goes_on
done

SIM_DIE_AT=giving-up-done start_daemon
wait_until 60 field_is a state replicating || bail "it does not replicate"
goes_on || bail "it does not write"
replicactl failover a --planned >/dev/null 2>&1
wait $daemon_pid
is "killed after the point of no return" $? 137
wait $writer
is "the writer has got an error" $? 1
last=$(last_written)
check "and has written" test "$last" -gt 10
sim-ctl reload a
start_daemon
check "it stays given up" wait_until 60 field_is a state superseded
is "  nobody writes to it" "$(field a writes)" refused
refuses "  nor tries to" "Input/output error" sim-ctl write a 0 4096
check "  what to do is said" eval 'field a next_step | grep -q "failover --force"'
check "the same again finds it done" replicactl failover a --planned --json
kill_daemon
sim-ctl reload a
refuses "also without replicad" "Input/output error" sim-ctl write a 0 4096
check "the other site takes it over" b replicactl failover a --force
is "with all that was written" "$(counter_in "$site_b/a.base")" "$last"
check "and the rest of it" cmp "$scratch_dir/a.img" "$site_b/a.base"

# What ends it: to disable it, or to enable it anew.
start_daemon
check "it is closed still" wait_until 60 field_is a state superseded
check "it can be disabled" replicactl disable a
is "then it is a plain device" "$(sim-ctl get a plain)" 1
check "and enabled: who does that knows" replicactl enable a
is "  then it takes writes" "$(sim-ctl get a role)" 1
check "  and sees that it is superseded" wait_until 60 field_is a state superseded
stop_daemon
is "A stops cleanly" $? 0
kill_pid $b_pid
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of two volumes in a group one could be
# ahead of the other at the target: write n in the second without write n in the
# first, though each was written after the other.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

number_in() {
	od -An -t u8 -N 8 "$scratch_dir/$1.target" | tr -d ' '
}

make_volume a
make_volume b
start_target a
start_target b --filter=delay delay-write=3ms
b_pid=$target_pid
begin_config
configure a group=g
configure b group=g
start_daemon
check "both are replicated" eval 'replica_equals a && replica_equals b'
sim-ctl pair a b 100000 300 &
storm=$!
cleanup_fn kill_pid $storm
bad=0 seen=0
for i in $(seq 20); do
	sleep 0.1
	rpc-call pause '{"volume":"a"}' >/dev/null
	wait_until 60 field_is b state paused || fail "both pause"
	a=$(number_in a) b=$(number_in b)
	[ "$a" = "$b" ] || [ "$a" = $((b + 1)) ] || bad=$((bad + 1))
	[ "$a" -gt 0 ] && seen=$((seen + 1))
	rpc-call resume '{"volume":"b"}' >/dev/null
	wait_until 60 field_is a state replicating || fail "both resume"
done
kill_pid $storm
is "no copy has a write without the one before it" $bad 0
is "all 20 copies have writes" $seen 20
kill_pid $b_pid
sim-ctl write a 0 4096 5
check "one target gone stops both" wait_until 60 field_is a state connecting
start_target b
check "and both go on" eval 'replica_equals a && replica_equals b'
is "at the same epoch" "$(field a last_committed)" "$(field b last_committed)"
finish

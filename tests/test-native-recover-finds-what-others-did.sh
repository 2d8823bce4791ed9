#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: "recover", said twice, or while somebody
# disables or enables, would run a volume twice, which ends its replication; take
# one out that was enabled meanwhile; or bring replicad down.
# lab: timeout=200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq

# hold_line: what changes something waits, until free_line, or a few seconds
hold_line() {
	kill -STOP "$c_pid"
	sim-ctl write c 0 65536 7
	check "an epoch of c is open" wait_until 10 eval \
		'[ "$(field c epoch)" -gt 0 ]'
	replicactl disable c >"$scratch_dir/c.out" 2>&1 &
	holder=$!
	sleep 0.3	# it is the first in the line
}

free_line() {
	kill -CONT "$c_pid"
	wait "$holder"
	replicactl enable c >"$scratch_dir/c.out" 2>&1
	check "c is replicated again" wait_settled c
}

# in_line WANTED_STATUS VERB...: asked now, its end is waited for by in_line_ended
in_line() {
	replicactl "${@:2}" >"$scratch_dir/$2.out" 2>&1 &
	waiting=$! wanted=$1
	sleep 0.3	# it is in the line
}

in_line_ended() {
	local status=0
	wait $waiting || status=$?
	is "  that verb ends with $wanted" $status "$wanted"
}

# recover STATUS ARGUMENT...
recover() {
	local want=$1 status=0
	shift
	replicactl recover "$@" >"$scratch_dir/out" 2>&1 || status=$?
	is "recover $*: status $want" "$status" "$want" ||
		note "$(cat "$scratch_dir/out")"
}

names() {
	rpc-call status | jq -r '[.volumes[].name] | sort | join(" ")'
}

begin_config
configure b
configure c
start_target b
make_volume c 1
start_target c
c_pid=$target_pid
start_daemon
wait_settled c || bail "no replica"
check "b cannot start" wait_until 10 field_is b state error

# --- disabled meanwhile ---------------------------------------------------------
hold_line
in_line 0 disable b
recover 4 b --wait 500ms
free_line
in_line_ended
is "replicad lives, and b is gone" "$(names)" c

# --- two of them ----------------------------------------------------------------
stop_daemon
start_daemon
wait_settled c || bail "no replica"
check "b cannot start" wait_until 10 field_is b state error
hold_line
recover 4 b --wait 500ms
recover 4 b --wait 500ms
make_volume b 1
free_line
wait_settled b || bail "b is not replicated"
is "b is started once" "$(names)" "b c"
sim-ctl write b 4096 8192 9
check "  and replicated" wait_settled b

# --- enabled meanwhile ----------------------------------------------------------
mv "$state_dir/b.id" "$scratch_dir/b.id"
mkdir "$state_dir/b.id"
check "b is disabled, and stays in its device" eval \
	'! replicactl disable b >"$scratch_dir/out" 2>&1'
check "  which is told" grep -q "could not be taken out" \
	<(replicactl status b)
recover 4 b
check "  it is tried, in vain" grep -q \
	"^b: tried: take it out of its device; still error" "$scratch_dir/out"
rmdir "$state_dir/b.id"
mv "$scratch_dir/b.id" "$state_dir/b.id"
hold_line
in_line 0 enable b
replicactl recover b --wait 30s >"$scratch_dir/out" 2>&1 &
recovering=$!
sleep 0.3		# it is in the line
free_line
in_line_ended
wait $recovering
is "recover ends, too" $? 0
check "b is replicated" wait_settled b
check "  nothing is said to have been tried" eval \
	'! grep -q tried "$scratch_dir/out"'
sleep 0.5
is "  and it stays so" "$(names)" "b c"

# --- nobody else was at it --------------------------------------------------------
mv "$state_dir/b.id" "$scratch_dir/b.id"
mkdir "$state_dir/b.id"
check "b stays in its device again" eval \
	'! replicactl disable b >"$scratch_dir/out" 2>&1'
rmdir "$state_dir/b.id"
mv "$scratch_dir/b.id" "$state_dir/b.id"
recover 0 b
check "it is taken out" grep -q \
	"^b: tried: take it out of its device; now gone" "$scratch_dir/out"
is "  and gone" "$(names)" c
stop_daemon
is "it stops cleanly" $? 0
finish

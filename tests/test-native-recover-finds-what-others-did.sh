#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: "recover", said twice, or while somebody
# disables or enables, would run a volume twice, which ends its replication; take
# one out that was enabled meanwhile; or bring replicad down.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq

# hold_line: what changes something waits, until free_line: for a snapshot
hold_line() {
	rm -f "$scratch_dir/reached"
	touch "$scratch_dir/hold"
	nr=$((${nr-0} + 1))
	replicactl snapshot v s$nr >"$scratch_dir/v.out" 2>&1 &
	holder=$!
	check "the line is held" wait_until 60 test -e "$scratch_dir/reached"
}

free_line() {
	rm "$scratch_dir/hold"
	wait "$holder"
	is "  until now" $? 0
}

# in_line WANTED_STATUS METHOD VOLUME: asked now, its end is waited for by
# in_line_ended. What is asked for after it was sent is answered after it came.
in_line() {
	rm -f "$scratch_dir/sent"
	RPC_SENT=$scratch_dir/sent rpc-call "$2" "{\"volume\": \"$3\"}" \
		>"$scratch_dir/$2.out" 2>&1 &
	waiting=$! wanted=$1
	check "$2 is in the line" wait_until 60 test -e "$scratch_dir/sent"
	rpc-call status >"$scratch_dir/status"
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
	[ $want != 0 ] || set -- "$@" --wait 2m
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
mkdir "$scratch_dir/volumes"
printf '[backend east]\ndriver=file\nfolder=%s\n' "$scratch_dir/volumes" \
	>>"$scratch_dir/conf"
start_target b
make_volume c 1
start_target c
export SIM_HOLD_AT=snapped
start_daemon
wait_settled c || bail "no replica"
replicactl create v --size 1MiB --backend east >/dev/null || bail "no volume v"
check "b cannot start" wait_until 60 field_is b state error

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
check "b cannot start" wait_until 60 field_is b state error
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
replicactl recover b --wait 2m >"$scratch_dir/out" 2>&1 &
recovering=$!
sleep 0.3		# most likely it is in the line
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

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who waits for a verify could not tell one that
# takes its time from one that hangs; or it would be said to be further than it is.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd replicactl jq
native_mib=128			# a few rounds: one is of 32 MiB at most
size=$((native_mib * 1048576))

# look: one line of what a status says of it
look() {
	rpc-call status | jq -r '.volumes[0].verify | [.running, .total_bytes,
		.done_bytes, .compared_bytes, .differing_bytes] |
		map(tostring) | join(" ")' >"$scratch_dir/look"
	read -r running total far compared differing <"$scratch_dir/look"
}

# is_past BYTES: it runs, and has got further than that
is_past() {
	look
	[ "$running" = true ] && [ "$far" -gt "$1" ] && [ "$far" -lt $size ]
}

is_over() {
	look
	[ "$running" = false ]
}

make_volume a
start_target a
begin_config
configure a
start_daemon
wait_settled a 120 || bail "no first copy"
stop_daemon
echo bandwidth=4MiB >>"$scratch_dir/conf"	# 8 seconds a round
start_daemon
wait_settled a 60 || bail "it does not settle"
rpc-call verify '{"volume": "a"}' >/dev/null || bail "no verify"
look
is "a verify has begun, of all there is" "$running $total" "true $size"
check "it says how far it is" wait_until 120 is_past 0
look
is "  which is what was compared" "$compared" "$far"
replicactl status a >"$scratch_dir/says"
check "  and status has it" grep -Eq "verifying: .* MiB of 128 MiB, .* differ" \
	"$scratch_dir/says"
check "it gets on" wait_until 120 is_past "$far"
look
is "nothing differs so far" "$differing" 0
rpc-call verify '{"volume": "a", "stop": true}' >/dev/null
check "it is stopped" wait_until 120 is_over
check "  and says how far it came" test "$compared" -gt 0 -a "$compared" -lt $size
stop_daemon
is "a clean stop" $? 0
finish

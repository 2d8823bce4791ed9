#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
#
# A volume is handed over below an application that writes all the time and goes
# on at the other site as soon as it can, on the simulated kernel:
#
#   switchover-pause   seconds from its last write at A to its first one at B; the
#                      median of ROUNDS, each with a pair of its own. The goal is 3
[ -z "${DMR_ROUND-}" ] && rounds=${ROUNDS:-3} || rounds=
here=$(dirname "$(readlink -f "$0")")
. "$here/common"
. "$here/../lib-native.sh"
. "$here/../lib-pair.sh"
. "$here/../lib-failover.sh"
. "$here/pair-figures"

# stamped: each line with the time that it came
stamped() {
	local n
	while read -r n; do
		echo "$n ${EPOCHREALTIME/,/.}"
	done
}

has_lines() {
	[ "$(wc -l <"$scratch_dir/written")" -ge "$1" ]
}

hand_over() {
	replicate_pair
	sim-ctl count a 1000 2>/dev/null | stamped >"$scratch_dir/written" &
	writer=$!
	wait_until 30 has_lines 50 || bail "nothing is written"
	replicactl failover a --planned >"$scratch_dir/says" 2>&1 &&
		b replicactl failover a --force >>"$scratch_dir/says" 2>&1 &&
		b sim-ctl write a 0 4096 || bail "$(cat "$scratch_dir/says")"
	now=$EPOCHREALTIME
	wait $writer
	between "$(tail -n 1 "$scratch_dir/written" | cut -d ' ' -f 2)" "$now"
}

if [ -z "$rounds" ]; then
	hand_over
else
	for ((i = 0; i < rounds; i++)); do
		DMR_ROUND=1 "$0" | tail -n 1 >>"$scratch_dir/pauses"
	done
	goal switchover-pause "$(median <"$scratch_dir/pauses")" 3
	echo "rounds: $(tr '\n' ' ' <"$scratch_dir/pauses")"
fi
test_finished=0
exit 0

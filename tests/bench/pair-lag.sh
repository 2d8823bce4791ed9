#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
#
# How far a replica is behind while an application writes all the time, SPAN
# seconds long, scattered chunks, one about each DELAY_US; on the simulated kernel,
# to a pair on this machine, in TLS. replicad is asked about ten times a second.
#
#   lag-p99      seconds: the lag that 99 of 100 answers did not exceed. The goal is
#                0.5
#   lag-median   the same of half of them
here=$(dirname "$(readlink -f "$0")")
. "$here/common"
. "$here/../lib-native.sh"
. "$here/../lib-pair.sh"
. "$here/../lib-failover.sh"
. "$here/pair-figures"
native_mib=64 SPAN=${SPAN:-60} DELAY_US=${DELAY_US:-1000}

# write_on: until it is told to end
write_on() {
	local i
	for ((i = 1; ; i++)); do
		sim-ctl storm a 1000 $i "$DELAY_US" 2>/dev/null ||
			return
	done
}

# lag: now, in seconds; null before the first copy is complete
lag() {
	rpc-call status | jq '.volumes[0].lag_s // empty'
}

# share OF_100: the sample that so many do not exceed
share() {
	sort -g "$scratch_dir/lags" | awk -v p="$1" '{ v[NR] = $1 }
		END { n = NR * p / 100; i = int(n); print v[i < n ? i + 1 : i] }'
}

replicate_pair
write_on &
cleanup_fn kill_pid $!
wait_until 10 eval '[ "$(field a dirty_bytes)" != 0 ]' ||
	bail "nothing is written"
before=$(field a epochs_clean)
sleep 3
for ((end = SECONDS + SPAN; SECONDS < end; )); do
	lag >>"$scratch_dir/lags"
	sleep 0.08
done
goal lag-p99 "$(share 99)" 0.5
goal lag-median "$(share 50)" 0.5
echo "$(wc -l <"$scratch_dir/lags") samples," \
	"$(($(field a epochs_clean) - before)) epochs"
test_finished=0
exit 0

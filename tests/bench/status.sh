#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=600
#
#   status-1000      seconds of "replicactl status --json" with NR idle volumes
#                    on the simulated kernel; the median of ROUNDS. The aim is
#                    below 0.1 s
#   status-1000-cpu  seconds of a processor that it takes, of both processes
#   status-1000-text seconds of "replicactl status", for people
#   refusal-1000     seconds of a verb with bad input. The aim is below 0.05
#   memory-1000      MiB that replicad has in memory. The aim is below 200
#   idle-1000        the share of a processor that they take when nothing happens,
#                    in SPAN seconds. The aim is below 0.01
NR=${NR:-1000} ROUNDS=${ROUNDS:-9} SPAN=${SPAN:-20}
. "$(dirname "$0")/../lib.sh"
. "$(dirname "$0")/../lib-native.sh"

begin_config
for ((i = 1; i <= NR; i++)); do
	sim-ctl create v$i 1048576
	truncate -s 3M "$scratch_dir/v$i.target"
	printf '[volume v%d]\ntarget=local:%s\nmetadata=none\n' $i \
		"$scratch_dir/v$i.target"
done >>"$scratch_dir/conf"
start_daemon

all_replicate() {
	rpc-call status | json_holds "[.volumes[] |
		.state == \"replicating\"] | length == $NR and all"
}
wait_until 300 all_replicate || bail "no first sync"

# cpu: nanoseconds that replicad's threads have used
cpu() {
	cat /proc/$daemon_pid/task/*/schedstat | awk '{ n += $1 }
		END { printf "%.0f\n", n }'
}

# row NAME VALUE UNIT [GOAL]
row() {
	jq -cn --arg name "$1" --argjson value "$2" --arg unit "$3" \
		--argjson goal "${4-null}" '{name: $name, value: $value,
		unit: $unit, peer: (if $goal then "goal" else null end),
		peer_value: $goal, ratio: (if $goal then $value / $goal
		else null end)}'
}

sleep 5
before=$(cpu)
sleep "$SPAN"
idle=$(awk "BEGIN { print ($(cpu) - $before) / 1e9 / $SPAN }")
# middle COLUMN: the median of the lines of "times"
middle() {
	awk "{ print $1 }" "$scratch_dir/times" | sort -g |
		sed -n "$(((ROUNDS + 1) / 2))p"
}

# times COMMAND...: its seconds, and the processor's of both processes
times() {
	local before TIMEFORMAT='%R %U %S'
	for _ in $(seq "$ROUNDS"); do
		before=$(cpu)
		{ time "$@" >/dev/null 2>&1; } 2>"$scratch_dir/time"
		echo "$(<"$scratch_dir/time") $(($(cpu) - before))"
	done >"$scratch_dir/times"
}

times replicactl status --json
row "status-$NR" "$(middle '$1')" s 0.1
row "status-$NR-cpu" "$(middle '$2 + $3 + $4 / 1e9')" s
times replicactl status
row "status-$NR-text" "$(middle '$1')" s
times replicactl set-type v1 nowhere
row "refusal-$NR" "$(middle '$1')" s 0.05
row "memory-$NR" "$(awk '/^VmRSS/ { print $2 / 1024 }' \
	"/proc/$daemon_pid/status")" MiB 200
row "idle-$NR" "$idle" share 0.01
stop_daemon
test_finished=0
exit 0

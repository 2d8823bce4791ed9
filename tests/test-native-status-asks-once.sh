#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, a status of a thousand volumes would ask the kernel a thousand
# times, or one that others look at often would keep replicad from its work.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl
nr=40
begin_config 2
for ((i = 1; i <= nr; i++)); do
	make_volume v$i 1
	truncate -s 3M "$scratch_dir/v$i.target"
	printf '[volume v%d]\ntarget=local:%s\nmetadata=none\nheartbeat=1h\n' \
		$i "$scratch_dir/v$i.target" >>"$scratch_dir/conf"
done

# asked WHAT: how often, "gets" or "dumps"; of all volumes
asked() {
	local i
	for ((i = 1; i <= nr; i++)); do
		sim-ctl get v$i "$1"
	done | sort | uniq -c | awk '{ print $2 "x" $1 }'
}

all_settled() {
	rpc-call status | json_holds "(.volumes | length) == $nr and
		all(.volumes[]; .state == \"replicating\" and
			.dirty_bytes == 0 and .epoch == 0)"
}

# quiet: nobody has asked in the last second
quiet() {
	local gets
	gets=$(asked gets)
	sleep 1
	[ "$(asked gets)" = "$gets" ]
}

start_daemon
check "$nr volumes replicate" wait_until 120 all_settled
check "nobody asks while nothing happens" wait_until 60 quiet
for ((i = 1; i <= nr; i++)); do
	sim-ctl get v$i dumps
done >"$scratch_dir/dumps"
gets=$(asked gets)
rpc-call status >"$scratch_dir/status"
is "one status of two reactors is one dump" "$(for ((i = 1; i <= nr; i++)); do
	sim-ctl get v$i dumps
done | paste - "$scratch_dir/dumps" | awk '{ print $1 - $2 }' | sort -u)" 1
is "and no question of one volume" "$(asked gets)" "$gets"
before=$(sim-ctl get v7 gets)
dumps=$(sim-ctl get v8 dumps)
is "the status of one" "$(replicactl status v7 --json |
	jq -c '[.volumes[].name]')" '["v7"]'
is "asks for that" "$(sim-ctl get v7 gets)" $((before + 1))
is "and for no other" "$(sim-ctl get v8 dumps)" "$dumps"

# What is seen is the kernel's word of now, though no heartbeat has looked.
check "replication is paused" replicactl pause v9
sim-ctl write v9 0 65536
is "what was written just now is seen" "$(replicactl status --json |
	jq '.volumes[] | select(.name == "v9") | .dirty_bytes')" 65536
is "of one alone, too" "$(field v9 dirty_bytes)" 65536
stop_daemon
is "it stops" $? 0
finish

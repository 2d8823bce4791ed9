#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of many volumes that ask the other site
# before they come up, "recover" would start one, and say of the others that it
# had tried.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq ss
volumes="a b c d e f"

begin_config
for v in $volumes; do
	sim-ctl create $v 1048576 || bail "no volume $v"
	sim-ctl meta $v unplug || bail "the device of $v is there"
	truncate -s 1M "$scratch_dir/$v.origin"
	configure $v activation=ask metadata=none origin="$scratch_dir/$v.origin"
done

# nr_in STATE
nr_in() {
	rpc-call status | jq "[.volumes[] | select(.state == \"$1\")] | length"
}
has_asked() {
	field "$1" reason | grep -q "does not say whether"
}

start_daemon
for v in $volumes; do
	check "$v is not answered" wait_until 60 has_asked $v
done
# One asks again each second: that it does not overtake us, replicad stands still.
is_asked() {
	[ "$(ss -Hxl src "$REPLICA_SOCKET" | awk '{ print $3 }')" -ge 1 ]
}
kill -STOP $daemon_pid
for v in $volumes; do
	start_target $v
done
replicactl recover --wait 2m >"$scratch_dir/out" 2>&1 &
asker=$!
check "all are asked for" wait_until 60 is_asked
kill -CONT $daemon_pid
wait $asker
is "  at once" $? 0
is "  and replicated" "$(nr_in replicating)" 6 || note "$(cat "$scratch_dir/out")"
check "  most by that" test "$(grep -c \
	'tried: start it; now replicating' "$scratch_dir/out")" -ge 3
stop_daemon
is "it stops cleanly" $? 0
finish

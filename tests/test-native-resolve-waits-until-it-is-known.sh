#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who resolves while replicad is not connected
# would be told that there is nothing to resolve; or a primary that has no successor
# would be closed, or its applications stopped by a hook, by that.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-hooks.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

hook "$hooks_a/before-demote"
# resolve_for SECONDS [MORE]: its words in $scratch_dir/says
resolve_for() {
	rpc-call resolve "$(printf '{"volume": "a", "keep": "peer", %s}' \
		"\"wait_s\": $1${2-}")" >"$scratch_dir/says" 2>&1
}
says_not_known() {
	grep -q "is connecting: .* is not known yet" "$scratch_dir/says"
}
begun_without_b() {
	kill_daemon
	kill_b
	start_daemon
	wait_until 60 field_is a state connecting || bail "it has a target"
}

replicate_pair
make_epoch 11 0
begun_without_b
resolve_for 1
is "a primary that nobody has met" $? 6
check "is not known to have a successor" says_not_known
resolve_for 1 ', "dry_run": true'
check "  nor where it is only asked for" says_not_known
resolve_for 60 &
asker=$!
start_b
wait $asker
is "who waits is refused when it has none" $? 5
check "  by its state" grep -q "there is nothing to resolve" "$scratch_dir/says"
is "  nothing was closed" "$(field a writes)" allowed
is "  no hook was run" "$(runs "$hooks_a/before-demote")" ""

wait_until 60 field_is a state replicating || bail "it does not go on"
lose_a
sim-ctl write a 1048576 131072 66	# nobody at B ever sees this
b replicactl failover a --force >/dev/null || bail "no failover"
begun_without_b
resolve_for 60 &
asker=$!
wait_until 3 false
check "without B it waits" kill -0 $asker
is "  nothing was closed" "$(field a writes)" allowed
is "  no hook was run" "$(runs "$hooks_a/before-demote")" ""
start_b
wait $asker
is "when B is back it is given up" $? 0
is "  and nobody writes any more" "$(field a writes)" refused
is "  what was only here is kept" \
	"$(jq '.lost_bytes >= 131072' "$scratch_dir/says")" true
is "  the hook was run" "$(runs "$hooks_a/before-demote")" 1
finish

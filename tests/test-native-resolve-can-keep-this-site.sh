#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who decides at the site whose data are kept
# could not say so there; or what the other one gives up would be lost, or given up
# against its routed=, or both sites would give up.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-route.sh"

keep_local="replicactl resolve a --keep local --yes"
replicate_pair
# shellcheck disable=SC2086 # words
{
is "a primary that is not in doubt asks nobody" "$(status_of $keep_local)" 1
check "  and says why" says "neither promoted here nor in doubt"
make_epoch 11 0
is "nor does a replica" "$(status_of b $keep_local)" 1
lose_a
sim-ctl write a 1048576 131072 66	# nobody at B ever sees this
cp "$scratch_dir/a.img" "$scratch_dir/alone.img"
b replicactl failover a --force >/dev/null || bail "no failover"
wait_until 30 serves p || bail "B does not serve"
cp "$scratch_dir/conf" "$scratch_dir/conf.on"
sed -i 's/^\[replicad\]/&\nrouted=look/' "$scratch_dir/conf"
start_daemon
wait_until 60 field_is a state superseded || bail "A is not superseded"

is "where the other side may change nothing it is refused" \
	"$(status_of b $keep_local)" 7
check "  there, by name" says "other side.*routed=look"
is "nothing is given up" "$(field a writes)" allowed
stop_daemon
cp "$scratch_dir/conf.on" "$scratch_dir/conf"
start_daemon
wait_until 60 field_is a state superseded || bail "A is not superseded again"
is "a dry run asks, too" "$(status_of b $keep_local --dry-run)" 0
check "  and tells what is only there" \
	says "128.* at the other side of the pair p would be given up"
is "  and gives up nothing" "$(field a writes)" allowed
is "one volume at a time" "$(status_of b $keep_local --group)" 2
is "what is asked the wrong way round is refused by B" \
	"$(status_of $keep_local | grep -c '^[1-9]$')" 1
check "  there" says "at the other side of the pair p"
is "  which stays the primary" "$(b rpc-call get a state)" promoted

# Both never do because each was asked by the other (R7).
kill_b
$keep_local >"$scratch_dir/asker" 2>&1 &
asker=$!
asks_to_keep() {
	is_busy=$(status_of replicactl resolve a --keep peer --dry-run)
	[ "$is_busy" = 0 ] && $keep_local 2>&1 | grep -q "being asked"
}
check "while A asks" wait_until 8 asks_to_keep
is "  it gives up nothing itself" \
	"$(status_of replicactl resolve a --keep peer --yes)" 5
check "  and says why" says "the other site is being asked"
check "  it is not closed" eval '[ "$(field a writes)" = allowed ]'
wait $asker
is "who was never told has done nothing" $? 9
start_b
wait_until 30 serves p || bail "B does not serve again"

asked_b() {
	[ "$(status_of b $keep_local)" = 0 ]
}
check "B keeps its own" wait_until 30 asked_b
check "  and tells where the rest is" says "salvaged there: 128"
is "nobody writes at A" "$(field a writes)" refused
name=$(replicactl salvage --json | jq -r '.salvages[0].name')
check "what was only there is kept aside there" replicactl salvage "$name" \
	--export "$scratch_dir/kept"
check "  as it was" cmp -n 131072 -i 1048576 "$scratch_dir/kept" \
	"$scratch_dir/alone.img"
is "A, which has given up, does not ask" "$(status_of $keep_local)" 5
check "  and says so" says "was given up here"
is "B is the primary" "$(b rpc-call get a state)" promoted
}
finish

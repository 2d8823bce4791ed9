#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a hook of a group that is promoted would be
# told of some of its volumes only, or be run for each of them.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-hooks.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

before=$hooks_b/before-promote after=$hooks_b/after-promote
replicate_group
make_group_epoch 11 0
lose_a

hook "$before" "exit 1"
hook "$after"
refuses "the hook may refuse" "refused by the hook before-promote" \
	b replicactl failover c --group --force
is "  nothing was begun" "$(ls "$site_b/state/promotions" 2>/dev/null)" ""
is "  it was run once" "$(runs "$before")" 1
is "  it is given the group" "$(given "$before" REPLICA_GROUP)" g
is "  and all of its volumes" "$(given "$before" REPLICA_VOLUMES)" "a c"
check "the pair is served" wait_until 60 serves p

hook "$before"
kill_b
cp -a "$site_b" "$scratch_dir/kept"
SIM_DIE_AT=done-active start_b
b replicactl failover c --group --force >/dev/null 2>&1
wait $b_pid
is "killed when the devices are there" $? 137
is "  the second hook was not run" "$(runs "$after")" ""
check "  but is owed" test -n "$(owed "$site_b/state")"
start_b
check "both are promoted" wait_until 60 group_failed_over
check "  and it is run" wait_until 60 has_run "$after" 1
check "  and owed no more" wait_until 60 eval '[ -z "$(owed "$site_b/state")" ]'
is "  once" "$(runs "$after")" 1
is "  for the group" "$(given "$after" REPLICA_GROUP)" g
is "  with all of it" "$(given "$after" REPLICA_VOLUMES)" "a c"
check "the images are those of the epoch" bases_are "$epoch"
kill_b

# The same, and the machine boots; the device of one cannot be made at first.
rm -rf "$site_b"
cp -a "$scratch_dir/kept" "$site_b"
hook "$after"
SIM_DIE_AT=noted-active start_b
b replicactl failover c --group --force >/dev/null 2>&1
wait $b_pid
is "killed when they are noted as there" $? 137
for v in $members; do
	b sim-ctl meta $v unplug
done
mv "$site_b/c.base" "$scratch_dir/c.away"
start_b
check "one device of the two is missing" wait_until 60 eval \
	'[ "$(b rpc-call get c state)" = error ]'
check "  all runs have ended" wait_until 60 eval \
	'[ "$(b rpc-call get a state)" != failing-over ]'
is "  so the hook is not run" "$(runs "$after")" 1
check "  but owed" test -n "$(owed "$site_b/state")"
mv "$scratch_dir/c.away" "$site_b/c.base"
check "it can be made now" b replicactl failover c --force
check "  both are there" group_failed_over
check "  then the hook is run" wait_until 60 has_run "$after" 2
is "  for both" "$(given "$after" REPLICA_VOLUMES)" "a c"
check "  and owed no more" wait_until 60 eval '[ -z "$(owed "$site_b/state")" ]'
b_stops_cleanly
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a hook of a group that is handed over would
# be told of some of its volumes only, be run for each of them, or not at all.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-hooks.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

before=$hooks_a/before-demote after=$hooks_a/after-demote
replicate_group
make_group_epoch 11 0

hook "$before" "exit 1"
hook "$after"
refuses "the hook may refuse" "refused by the hook before-demote" \
	replicactl failover c --group --planned
is "  it was run once" "$(runs "$before")" 1
is "  it is given the group" "$(given "$before" REPLICA_GROUP)" g
is "  and all of its volumes" "$(given "$before" REPLICA_VOLUMES)" "a c"
check "they are replicated still" field_is c state replicating
is "  nothing is owed" "$(owed "$state_dir")" ""

hook "$before"
stop_daemon
SIM_DIE_AT=giving-up-agreed start_daemon
check "they are replicated" wait_until 60 field_is a state replicating
replicactl failover c --group --planned >/dev/null 2>&1
wait $daemon_pid
is "killed after the point of no return" $? 137
is "  the second hook was not run" "$(runs "$after")" ""
check "  but is owed" test -n "$(owed "$state_dir")"
start_daemon
check "it is run at the next start" wait_until 60 has_run "$after" 1
check "  and owed no more" wait_until 60 eval '[ -z "$(owed "$state_dir")" ]'
is "  once" "$(runs "$after")" 1
is "  for the group" "$(given "$after" REPLICA_GROUP)" g
is "  with all of it" "$(given "$after" REPLICA_VOLUMES)" "a c"
stop_daemon
kill_pid $b_pid
finish

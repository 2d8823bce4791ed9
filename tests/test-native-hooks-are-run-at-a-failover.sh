#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the programs that stop an application at one
# site and start it at the other would not be run, or not again after a crash.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-hooks.sh"

waits="while [ -e '$scratch_dir/block' ]; do sleep 0.05; done"
begun() {
	ls "$site_b/state/promotions" 2>/dev/null
}
kill_b() {
	kill -KILL $b_pid
	wait $b_pid 2>/dev/null
}
replicate_pair
make_epoch 11 0

# before-promote, at B
h=$hooks_b/before-promote
hook "$h" 'echo the power is on; exit 1'
check "a dry run asks nobody" b replicactl failover a --dry-run
is "  " "$(runs "$h")" ""
refuses "before-promote can refuse" \
	"refused by the hook before-promote: exit status 1: the power is on" \
	b replicactl failover a --force
is "  then nothing is begun" "$(begun)" ""
check "  and A goes on" eval 'sim-ctl write a 0 4096 3; wait_settled a 60'
hook "$h" "$waits"
touch "$scratch_dir/block"
b replicactl failover a --force >/dev/null 2>&1 &
asking=$!
cleanup_fn kill_pid $asking
wait_until 60 has_run "$h" 2
check "while it runs the replica is served" \
	eval 'sim-ctl write a 8192 4096 4; wait_settled a 60'
kill_b
rm "$scratch_dir/block"
start_b
is "killed while it runs: nothing is begun" "$(begun)" ""
lose_a

# after-promote
after=$hooks_b/after-promote
hook "$h"
hook "$after" "$waits" 'exit 1'
touch "$scratch_dir/block"
b replicactl failover a --force >"$scratch_dir/says" 2>&1 &
asking=$!
cleanup_fn kill_pid $asking
check "before-promote is run again" wait_until 60 has_run "$h" 3
check "after-promote is run" wait_until 60 has_run "$after" 1
check "  while it runs the pair is served" wait_until 60 serves p
is "  it is given the volume" "$(given "$h" REPLICA_VOLUME)" a
is "  and the epoch" "$(given "$h" REPLICA_EPOCH)" \
	"$(jq .epoch "$site_b/state/promotions/a.json")"
is "  when the device is there" "$(b sim-ctl get a plain)" 0
is "  it is given that" "$(given "$after" REPLICA_DEVICE)" /dev/mapper/a
check "  and the generation" grep -qE "^REPLICA_GENERATION=[0-9a-f]{16}$" \
	"$after.given"
check "  it is owed" test -n "$(owed "$site_b/state")"
kill_b
start_b
check "killed while it runs: it is run again" wait_until 60 has_run "$after" 2
is "  before-promote is not" "$(runs "$h")" 3
rm "$scratch_dir/block"
check "  its failure does not undo anything" wait_until 60 failed_over
check "  but is told" wait_until 60 grep -q "error: hook after-promote: exit status 1" "$b_log"
check "  and it is owed no more" wait_until 60 eval \
	'[ -z "$(owed "$site_b/state")" ]'
kill_b
start_b
check "the next start finds it promoted" wait_until 60 failed_over
is "  and runs no hook" "$(runs "$h") $(runs "$after")" "3 2"

# superseded, at A
h=$hooks_a/superseded
hook "$h"
start_daemon
check "A is superseded" wait_until 60 field_is a state superseded
check "  its hook is run" wait_until 60 has_run "$h" 1
is "  with the volume" "$(given "$h" REPLICA_VOLUME)" a
check "  and the reason" grep -q "REPLICA_REASON=.*has taken over" "$h.given"
hook "$h" "$waits"
touch "$scratch_dir/block"
kill_daemon
start_daemon
check "the next daemon runs it, too" wait_until 60 has_run "$h" 2
kill_daemon
start_daemon
check "  killed while it runs: again" wait_until 60 has_run "$h" 3
check "  nothing waits for it" wait_until 60 field_is a state superseded

# before-demote, after-demote
hook "$hooks_a/before-demote" 'echo it is mounted; exit 2'
refuses "before-demote can refuse" "hook before-demote: exit status 2: it is mounted" \
	replicactl resolve a --keep peer
check "  then the volume is as it was" field_is a state superseded
is "  a dry run asks nobody" "$(replicactl resolve a --keep peer --dry-run \
	>/dev/null && runs "$hooks_a/before-demote")" 1
hook "$hooks_a/before-demote"
hook "$hooks_a/after-demote" "$waits"
replicactl resolve a --keep peer >"$scratch_dir/says" 2>&1 &
asking=$!
cleanup_fn kill_pid $asking
check "after-demote is run" wait_until 60 has_run "$hooks_a/after-demote" 1
is "  when nobody writes there any more" "$(sim-ctl get a role)" 2
is "  after before-demote" "$(runs "$hooks_a/before-demote")" 2
kill_daemon
cp -r "$state_dir/hooks" "$scratch_dir/owed"
cp "$scratch_dir/conf" "$scratch_dir/conf.a"
start_daemon
check "killed while it runs: it is run again" \
	wait_until 60 has_run "$hooks_a/after-demote" 2
rm "$scratch_dir/block"
check "  until it has ended" wait_until 60 eval '[ -z "$(owed "$state_dir")" ]'
stop_daemon
is "A stops cleanly" $? 0

# As after a kill between what is owed and the giving up.
cp -r "$scratch_dir/owed/." "$state_dir/hooks"
cp "$scratch_dir/conf.a" "$scratch_dir/conf"
sed -i 's/"given_up": "[a-z]*"/"given_up": "no"/' "$state_dir/a.id"
start_daemon
check "not owed for a volume that is here still" wait_until 60 eval \
	'[ -z "$(owed "$state_dir")" ]'
is "  and not run" "$(runs "$hooks_a/after-demote")" 2
stop_daemon
finish

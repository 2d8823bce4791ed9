#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: after a failover the old primary could not
# become the replica, what was only there would be lost, or the volume could not
# come back to its first site.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

replicate_pair
make_epoch 11 0
back=$epoch
make_epoch 12 65536
refuses "a primary that works has nothing to resolve" "nothing to resolve" \
	replicactl resolve a --keep peer
lose_a
sim-ctl write a 1048576 131072 66	# nobody at B ever sees this
cp "$scratch_dir/a.img" "$scratch_dir/alone.img"
b replicactl failover a --force --epoch "$back" >/dev/null || bail "no failover"
b sim-ctl write a 2097152 65536 77
start_daemon
check "the old primary is superseded" wait_until 60 field_is a state superseded

is "a dry run tells what is only here" \
	"$(replicactl resolve a --keep peer --dry-run --json |
		jq '.lost_bytes >= 131072')" true
refuses "which one is kept must be said" "say --keep peer" replicactl resolve a
sim-ctl meta a open			# as one that is in doubt
rpc-call resolve '{"volume": "a", "keep": "peer", "wait_s": 1}' \
	>"$scratch_dir/says" 2>&1
check "not before its last epoch is over" grep -q "still open" \
	"$scratch_dir/says"
sim-ctl meta a abort
check "it is given up" replicactl resolve a --keep peer
is "nobody writes to it then" "$(field a writes)" refused
refuses "nor tries to" "Input/output error" sim-ctl write a 0 4096
check "its data are as they were" cmp "$scratch_dir/alone.img" "$scratch_dir/a.img"
name=$(replicactl salvage --json | jq -r '.salvages[0].name')
check "what was only there is salvaged" replicactl salvage "$name" \
	--export "$scratch_dir/kept"
check "as it was" cmp -n 131072 -i 1048576 "$scratch_dir/kept" \
	"$scratch_dir/alone.img"

# The way back: A receives, on the disk that it has.
check "it is disabled" replicactl disable a
is "then its device is a plain one" "$(sim-ctl get a plain)" 1
a_receives "$native_mib"
check "B sends it to A" b replicactl enable a --target pair:q \
	--heartbeat 200ms --interval 20ms
b_settled() {
	[ "$(b rpc-call get a state)" = replicating ] &&
		[ "$(b rpc-call get a dirty_bytes)" = 0 ] &&
		[ "$(b rpc-call get a epoch)" = 0 ]
}
check "A has it" wait_until 60 b_settled
check "only what differed was sent" eval \
	'[ "$(b rpc-call get a bytes_shipped)" -le $((1024 * 1024)) ]'
b sim-ctl write a 4194304 65536 78
check "B goes on" wait_until 60 b_settled
cp "$site_b/a.base" "$scratch_dir/at-b.img"

kill_pid $b_pid
check "A takes it over again" replicactl failover a --force
check "with all that B had" cmp "$scratch_dir/at-b.img" "$scratch_dir/a.img"
is "its state" "$(field a state)" promoted
is "it remembers both generations" "$(sim-ctl get a ancestors)" 2
sim-ctl write a 0 4096 79
is "and what is written is tracked" "$(sim-ctl get a dirty)" 1
start_b
check "now B is superseded" wait_until 60 eval \
	'[ "$(b rpc-call get a state)" = superseded ]'
for how in "a --force" "a --dry-run" "a --force --group"; do
	# shellcheck disable=SC2086 # words
	refuses "failover $how there: it is not the primary" \
		"a: was promoted here, and is superseded since: .*resolve" \
		b replicactl failover $how
done
b replicactl failover --host --force --yes --json >"$scratch_dir/many"
check "  which is noticed as an error" grep -q \
	"failover.error host: .*was promoted here" "$b_log"
check "nor does one of the host say that" eval 'json_holds ".volumes | all(
	(.ok | not) and .already == null and (.error | length) > 0)" \
	<"$scratch_dir/many"'
check "and can be given up in its turn" b replicactl resolve a --keep peer
is "then it is no primary any more" "$(ls "$site_b/state/promotions")" ""
is "and has no device" "$(b sim-ctl get a plain)" 1
kill_pid $b_pid
start_b
is "also not after a restart" "$(b rpc-call status | jq '.volumes | length')" 0
for dir in "" "--dir $stage_dir"; do
	# shellcheck disable=SC2086 # an option and its value, or nothing
	refuses "what it was promoted from is old (P5) $dir" "given up" \
		b replicactl failover a --force $dir
done
is "nothing was begun" "$(ls "$site_b/state/promotions")" ""
is "and there is still no device" "$(b sim-ctl get a plain)" 1
check "the pair is served all the same" wait_until 60 serves p
both_stop_cleanly
finish

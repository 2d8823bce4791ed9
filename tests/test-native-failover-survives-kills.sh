#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a failover that was interrupted would be
# left half done, lose what it had to remember, or be done twice.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

replicate_pair
make_epoch 11 0
make_epoch 12 32768
back=$epoch
make_epoch 13 131072
make_epoch 14 49152
lose_a
kill_b
cp -a "$site_b" "$scratch_dir/kept"

restore_b() {
	rm -rf "$site_b"
	cp -a "$scratch_dir/kept" "$site_b"
}

ends_right() {
	cmp "$scratch_dir/image.$back" "$site_b/a.base" &&
		marks_cover "$back" && salvage_has &&
		[ "$(b sim-ctl get a dirty)" = "$(b_dirty | wc -l)" ] &&
		[ -z "$(ls "$stage_dir/a.log" | grep '\.seg$')" ]
}

for step in begun fenced salvaged marked applied left active; do
	for when in "done" noted; do
		restore_b
		export SIM_DIE_AT=$when-$step
		start_b
		unset SIM_DIE_AT
		b replicactl failover a --force --epoch "$back" \
			>/dev/null 2>"$scratch_dir/says"
		check "killed when it was $when: $step" wait_until 60 eval \
			'! kill -0 $b_pid 2>/dev/null'
		kill_b
		start_b
		if [ "$when-$step" = done-begun ]; then
			check "then nothing was begun" wait_until 60 serves p
			b replicactl failover a --force --epoch "$back" \
				>/dev/null
		fi
		check "it goes on to its end" wait_until 60 failed_over
		check "which is the right one" ends_right
		check "the pair is served" wait_until 60 serves p
		generation=$(jq -r .generation "$site_b/state/promotions/a.json")
		check "the same again changes nothing" b replicactl failover \
			a --force --epoch "$back"
		is "neither does the generation" "$(jq -r .generation \
			"$site_b/state/promotions/a.json")" "$generation"
		kill_b
	done
done

# All at once: nobody sees it half done, or gets in between.
restore_b
touch "$site_b/hold"
export SIM_HOLD_AT=noted-salvaged
start_b
unset SIM_HOLD_AT
b replicactl failover a --force --epoch "$back" >/dev/null &
first=$!
check "it is under way" wait_until 60 test -e "$site_b/state/promotions/a.json"
is "and shown" "$(b rpc-call get a state)" failing-over
refuses "it is not to be used yet (usable B4)" "not to be used here yet" \
	b replicactl path a
refuses "a second one is refused" "is under way" \
	b replicactl failover a --force
refuses "the pair is not revoked meanwhile" "is under way" \
	b replicactl pair revoke p
is "nobody serves the stage" "$(ss -Hltn "sport = :$port")" ""
rm "$site_b/hold"
wait $first
is "the first one ends well" $? 0
check "rightly" ends_right
kill_b

# A stop waits for the step, not for the end; what is left is done later.
restore_b
touch "$site_b/hold"
export SIM_HOLD_AT=noted-fenced
start_b
unset SIM_HOLD_AT
b replicactl failover a --force --epoch "$back" >/dev/null \
	2>"$scratch_dir/says" &
first=$!
wait_until 60 grep -qs fenced "$site_b/state/promotions/a.json"
kill -TERM $b_pid
wait_until 60 grep -q "stopping$" "$b_log" || bail "it does not stop"
rm "$site_b/hold"
wait $b_pid
is "B stops cleanly in the middle" $? 0
wait $first
is "which is an error" $? 1
is "it has gone no further" "$(jq -r .step "$site_b/state/promotions/a.json")" \
	fenced
start_b
check "and goes on later" wait_until 60 failed_over
check "to the right end" ends_right
kill_b

# The record is lost with the state folder, but the stage knows.
rm "$site_b/state/promotions/a.json"
start_b
refuses "another epoch is not promoted" "was promoted already" \
	b replicactl failover a --force --epoch $((back + 1))
check "the same one is found again" b replicactl failover a --force
check "as it was" cmp "$scratch_dir/image.$back" "$site_b/a.base"
kill_b
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the record of one volume of a group that is
# promoted could be lost, or not be read, and the group would be stuck, closed to
# those who wrote it, with no device and no way on.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

replicate_group
make_group_epoch 11 0
back=$epoch
make_group_epoch 12 32768
lose_a
kill_b
cp -a "$site_b" "$scratch_dir/kept"
records=$site_b/state/promotions

# killed_at WHEN: site B as it was, and a failover that dies there
killed_at() {
	rm -rf "$site_b"
	cp -a "$scratch_dir/kept" "$site_b"
	SIM_DIE_AT=$1 start_b
	b replicactl failover c --group --force --epoch "$back" >/dev/null 2>&1
	wait $b_pid
	is "killed at $1" $? 137
}

ends_right() {
	bases_are "$back" && group_marks_cover "$back" &&
		[ "$(jq -r .generation "$records"/*.json | sort -u | wc -l)" = 1 ] &&
		[ "$(jq -r .step "$records"/*.json | sort -u)" = active ]
}

# without NAME: its record is lost, and the rest goes on by itself
goes_on_without() {
	rm "$records/$1.json"
	start_b
	check "  without the record of $1 both go on" wait_until 60 \
		group_failed_over
	check "  to the right end" ends_right
	check "  and the pair is served" wait_until 60 serves p
	kill_b
}

for step in done-fenced noted-fenced noted-salvaged noted-marked \
		noted-applied noted-left; do
	for lost in $members; do
		killed_at $step
		goes_on_without $lost
	done
done

# It cannot be read, and the stage is not fenced: nothing is taken away.
killed_at noted-begun
cp "$records/a.json" "$scratch_dir/a.json"
echo "{" >"$records/a.json"
start_b
check "c does not go on without a" wait_until 60 eval \
	'[ "$(b rpc-call get c state)" = error ]'
check "  and says what is wrong" eval \
	'b rpc-call get c reason | grep -q "promotions/a.json"'
refuses "  also when it is asked for" "promotions/a.json" \
	b replicactl failover c --group --force
is "  its record stays" "$(step_of c)" begun
kill_b
cp "$scratch_dir/a.json" "$records/a.json"
start_b
check "then it is put right" wait_until 60 group_failed_over
check "  and ends well" ends_right
kill_b

# It cannot be read, and the stage is fenced: that tells all.
killed_at done-fenced
echo "{" >"$records/a.json"
start_b
check "a fence tells what a record cannot" wait_until 60 group_failed_over
check "  and ends well" ends_right

# Each is by itself now. The one that is lost is asked for.
for ask in "c" "c --group" "a --group"; do
	kill_b
	rm "$records/c.json"
	b sim-ctl meta c unplug
	start_b
	check "without its record c is not there" wait_until 60 eval \
		'[ "$(b rpc-call get a state)" = promoted ]'
	is "  really" "$(b sim-ctl get c plain)" 1
	check "  it is, after: failover $ask" b replicactl failover $ask --force
	check "  and both are there" group_failed_over
	is "  at the same epoch" "$(jq -s -c 'map(.epoch) | unique' \
		"$records"/*.json)" "[$back]"
done
kill_b
rm "$records"/*.json
start_b
check "both are lost, and asked for" b replicactl failover a --group --force
check "  and both are there" group_failed_over
kill_b
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: volumes that belong together would be
# promoted as of different moments, or some of them only, whatever is killed.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

replicate_group
make_group_epoch 11 0
make_group_epoch 12 32768
back=$epoch
make_group_epoch 13 131072
make_group_epoch 14 49152
cut=$(replicactl history a --json |
	jq --argjson e "$back" '.epochs[] | select(.epoch == $e) | .cut_time')
lose_a

refuses "not in parts" "not promoted in parts: --group" \
	b replicactl failover a --force
refuses "one place for the metadata of two" "that is one place" \
	b replicactl failover a --group --force --metadata /tmp/one
b replicactl failover c --group --dry-run --json >"$scratch_dir/dry" ||
	bail "no dry run"
is "a dry run tells which epoch" "$(jq .epoch "$scratch_dir/dry")" "$epoch"
is "and which volumes" "$(jq -c '[.volumes[].volume] | sort' \
	"$scratch_dir/dry")" '["a","c"]'
is "all of the newest epoch" "$(jq -c '[.volumes[].epoch] | unique' \
	"$scratch_dir/dry")" "[$epoch]"
check "and changes nothing" wait_until 60 serves p
refuses "an epoch that is not there" "no image of epoch" \
	b replicactl failover a --group --force --epoch 999999
check "which has left nothing" eval \
	'[ -z "$(ls "$site_b/state/promotions" 2>/dev/null)" ]'
wait_until 60 serves p

# The record of the one that leads cannot be written, that of the other could.
mkdir -p "$site_b/state/promotions/a.json.new"
refuses "a record that cannot be written" "promotions/a.json: " \
	b replicactl failover c --group --force
rmdir "$site_b/state/promotions/a.json.new"
is "  leaves none behind" "$(ls "$site_b/state/promotions")" ""
wait_until 60 serves p
kill_b
cp -a "$site_b" "$scratch_dir/kept"

restore_b() {
	rm -rf "$site_b"
	cp -a "$scratch_dir/kept" "$site_b"
}

generations() {
	jq -r .generation "$site_b"/state/promotions/*.json | sort -u
}

ends_right() {
	bases_are "$back" && group_marks_cover "$back" &&
		[ "$(generations | wc -l)" = 1 ] &&
		[ -z "$(ls "$stage_dir/g.log" | grep '\.seg$')" ]
}

# The volume that is named need not be the one that leads.
fail_over() {
	b replicactl failover c --group --force --epoch "$back" "$@"
}

for step in begun fenced salvaged marked applied left active; do
	for when in "done" noting noted; do
		restore_b
		export SIM_DIE_AT=$when-$step
		start_b
		unset SIM_DIE_AT
		fail_over >/dev/null 2>"$scratch_dir/says"
		check "killed when it was $when: $step" wait_until 60 eval \
			'! kill -0 $b_pid 2>/dev/null'
		kill_b
		start_b
		case $when-$step in
		done-begun | noting-begun)
			check "then nothing was begun" wait_until 60 serves p
			is "  and nothing is noted" \
				"$(ls "$site_b/state/promotions")" ""
			fail_over >/dev/null
			;;
		esac
		check "both go on to the end" wait_until 60 group_failed_over
		check "which is the right one" ends_right
		check "the pair is served" wait_until 60 serves p
		generation=$(generations)
		check "the same again changes nothing" fail_over
		is "neither does the generation" "$(generations)" "$generation"
		kill_b
	done
done

# Of the moment that was asked for, with all that is told.
restore_b
start_b
b rpc-call failover '{"volume": "a", "group": true, "force": true, "at": '"$(
	jq -n "$cut + 0.001")"'}' >"$scratch_dir/result" || bail "no failover"
is "by the time of its cut: the same epoch" "$(jq -c \
	'[.volumes[].epoch] | unique' "$scratch_dir/result")" "[$back]"
is "each has its device" "$(jq -c '[.volumes[].device] | sort' \
	"$scratch_dir/result")" '["/dev/mapper/a","/dev/mapper/c"]'
is "  and its salvage" "$(jq '[.volumes[].salvage] | unique | length' \
	"$scratch_dir/result")" 2
check "it is the right one" ends_right
check "one is written" b sim-ctl write c 0 4096 5
is "  and tracked" "$(b sim-ctl get a dirty)" "$(replica-dump --extents \
	"$stage_dir/a.meta" | awk '$1 == "extent" { n += $3 } END { print n }')"
kill_b
start_b
check "both are there after a restart" wait_until 60 group_failed_over

# The old primary may write to none of them.
start_daemon
check "the old group is superseded" wait_until 60 field_is a state superseded
check "  all of it" field_is c state superseded
stop_daemon
kill_b
finish

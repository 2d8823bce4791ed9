#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the failover of one volume of a group that
# has an image would be begun, could never end, and no verb would remove it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

make_volume a
make_volume c
begin_config
printf '[volume %s]\ntarget=pair:p\ngroup=g\nheartbeat=200ms\n' a c \
	>>"$scratch_dir/conf"
start_daemon
start_b
choose_port
invite p --history 1h --create "g/a:${native_mib}MiB:$site_b/a.base" \
	--create "g/c:${native_mib}MiB:$site_b/c.base" || bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
paired_equals a 60 && paired_equals c 60 || bail "B does not get them"
refuses "nor is one handed over" "not handed over in parts" \
	replicactl failover a --planned
check "they are replicated still" field_is c state replicating
lose_a

nothing_begun() {
	[ -z "$(ls "$site_b/state/promotions" 2>/dev/null)" ] &&
		[ ! -e "$stage_dir/a.fence" ]
}

refuses "a member of a group" "not promoted in parts" \
	b replicactl failover a --force
check "nothing was begun" nothing_begun
refuses "it is not shown as one" "a is a replica here" b replicactl status a
check "the pair is served again" wait_until 60 serves p

# P8: who is in the group is not known while a description cannot be read.
damage() {
	printf X | dd of="$1" bs=1 seek=50 conv=notrunc status=none
}

cp "$stage_dir/c.volume" "$scratch_dir/c.volume"
damage "$stage_dir/c.volume"
refuses "who is left of a group is no group" "/c.volume: not the description" \
	b replicactl failover a --group --force
refuses "nor a volume that is alone" "/c.volume: not the description" \
	b replicactl failover a --force
check "nothing was begun" nothing_begun
cp "$scratch_dir/c.volume" "$stage_dir/c.volume"
check "the pair is served again" wait_until 60 serves p
mkdir "$scratch_dir/other"
nbdkit -U - "$plugin_so" dir="$scratch_dir/other" \
	create="s:1MiB:$scratch_dir/s.base" create="t:1MiB:$scratch_dir/t.base" \
	--run true || bail "no stage"
damage "$scratch_dir/other/t.volume"
refuses "one that is alone is not held back by another" "no consistent image" \
	b replicactl failover s --force --dir "$scratch_dir/other"

# One that was noted as begun goes when the fence is refused.
kill_pid $b_pid
mkdir -p "$site_b/state/promotions"
printf '{ "schema_version": 1, "volume": "a", "pair": "p", "dir": "%s",
"base": "%s", "metadata": "none", "salvage": "", "step": "begun",
"bytes": %d, "epoch": 1, "cut_time_ns": 0, "last_clean": 1, "last_partial": 0,
"begun_at_ns": 0, "dropped_bytes": 0, "generation": "00000000000000b0",
"old_generation": "00000000000000a0" }\n' "$stage_dir" "$site_b/a.base" \
	$((native_mib << 20)) >"$site_b/state/promotions/a.json"
start_b
check "a record of it goes at the next start" wait_until 60 nothing_begun
check "with a word" wait_until 60 grep -q "failover: .*not promoted in parts" "$b_log"
check "and the pair is served" wait_until 60 serves p
kill_pid $b_pid
finish

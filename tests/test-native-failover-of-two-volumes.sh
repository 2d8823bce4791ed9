#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: two volumes of one pair could not both
# fail over, and replicad would die of the second at every start.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

make_volume a
make_volume c
begin_config
printf '[volume %s]\ntarget=pair:p\nheartbeat=200ms\ninterval=20ms\n' a c \
	>>"$scratch_dir/conf"
start_daemon
start_b
choose_port
invite p --history 1h --create "a:${native_mib}MiB:$site_b/a.base" \
	--create "c:${native_mib}MiB:$site_b/c.base" || bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
paired_equals a 60 && paired_equals c 60 || bail "B does not get them"
lose_a
kill_pid $b_pid
cp -a "$stage_dir" "$scratch_dir/stage-before"

both() {
	[ "$(b rpc-call status | jq '[.volumes[] |
		select(.state == "promoted")] | length')" = 2 ]
}

# The second comes while the first has the stage; the way is long enough.
touch "$site_b/hold"
export SIM_HOLD_AT=noted-salvaged
start_b
unset SIM_HOLD_AT
b replicactl failover a --force >/dev/null &
first=$!
wait_until 60 grep -qs salvaged "$site_b/state/promotions/a.json" ||
	bail "the first does not begin"
b replicactl failover c --force >/dev/null &
second=$!
check "the second waits" wait_until 60 eval \
	'[ "$(b rpc-call get c state)" = failing-over ]'
check "and has not begun" eval '[ ! -e "$site_b/state/promotions/c.json" ]'
is "the pair is not served" "$(ss -Hltn "sport = :$port")" ""
rm "$site_b/hold"
wait $first
is "the first ends well" $? 0
wait $second
is "the second too" $? 0
check "both are primaries" both
check "as they were: a" cmp "$scratch_dir/a.img" "$site_b/a.base"
check "as they were: c" cmp "$scratch_dir/c.img" "$site_b/c.base"
check "then the pair is served again" wait_until 60 serves p

kill_pid $b_pid
start_b
check "also after a restart" wait_until 60 both
check "which serves the pair" wait_until 60 serves p
check "one again, beside the other" b replicactl failover c --force
b_stops_cleanly

# Both are half done at a start.
sed -i 's/"step": "active"/"step": "begun"/' "$site_b"/state/promotions/*.json
start_b
check "both go on, one after the other" wait_until 60 both
check "and the pair is served at the end" wait_until 60 serves p

# As before, by the folder of a stage that no pair has.
kill_pid $b_pid
rm -rf "$site_b/state/promotions" "$stage_dir"/*.fence
cp -a "$scratch_dir/stage-before/." "$stage_dir"
rm -f "$site_b"/[ac].{img,map,view} "$stage_dir"/*.meta
touch "$site_b/hold"
rm -f "$site_b/reached"
SIM_HOLD_AT=noted-salvaged start_b
b replicactl pair revoke p --yes >/dev/null || bail "the pair stays"
b replicactl failover a --force --dir "$stage_dir" >/dev/null &
first=$!
wait_until 60 test -e "$site_b/reached" || bail "the first does not begin"
b replicactl failover c --force --dir "$stage_dir" >/dev/null &
second=$!
b replicactl failover c --dry-run --dir "$stage_dir" >"$scratch_dir/dry" &
third=$!
check "by folder, too, the second waits" wait_until 60 eval \
	'[ "$(b rpc-call get c state)" = failing-over ]'
check "and has not begun" eval '[ ! -e "$site_b/state/promotions/c.json" ]'
rm "$site_b/hold"
wait $first
is "the first ends well" $? 0
wait $second
is "the second too" $? 0
wait $third
check "both are primaries" both
kill_pid $b_pid
finish

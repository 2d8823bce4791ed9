#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a failover would close a volume whose
# salvage has no room, or go on without one; or a dry run would be in its way.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

replicate_pair
make_epoch 11 0
back=$epoch
make_epoch 12 65536
last=$epoch
lose_a
kill_b

export SIM_FREE=1048575
start_b
unset SIM_FREE
refuses "no room for the salvage (L4)" "the salvage of what is dropped needs" \
	b replicactl failover a --force --epoch "$back"
check "nothing was begun" eval '[ ! -e "$stage_dir/a.fence" ] &&
	[ -z "$(ls "$site_b/state/promotions" 2>/dev/null)" ]'
check "the pair is served" wait_until 60 serves p
kill_b

# A dry run that takes its time, where no server can be asked.
touch "$site_b/hold"
export SIM_HOLD_AT=planned SIM_DIE_AT=noted-applied
served=$plugin_so plugin_so=/nonexistent.so
start_b
plugin_so=$served
unset SIM_HOLD_AT SIM_DIE_AT
b replicactl failover a --dry-run >"$scratch_dir/dry" &
dry=$!
wait_until 60 eval 'b rpc-call pair_list | json_holds \
	".pairs[0].state == \"restarting\"" >/dev/null'
b replicactl failover a --force --epoch "$back" >/dev/null \
	2>"$scratch_dir/says" &
real=$!
check "a failover waits for the dry run, and is not refused" wait_until 60 \
	eval '[ "$(b rpc-call get a state)" = failing-over ]'
rm "$site_b/hold"
wait $dry
is "the dry run ends well" $? 0
wait $real
check "the failover has come so far" grep -q '"step": "applied"' \
	"$site_b/state/promotions/a.json"
kill_b
cp -a "$site_b" "$scratch_dir/kept"

# Its record names an epoch that the stage cannot tell of any more.
rm "$stage_dir"/*.salvage
sed -i "s/\"epoch\": $back/\"epoch\": $((back - 1))/; s/\"applied\"/\"fenced\"/
	s/\"metadata\": .*/\"metadata\": \"none\",/" \
	"$site_b/state/promotions/a.json"
start_b
check "without a salvage it does not go on" wait_until 60 eval \
	'b rpc-call get a reason | grep -q "is below the history"'
is "which is an error" "$(b rpc-call get a state)" error
check "and the log is kept" eval 'ls "$stage_dir/a.log" | grep -q "\.seg$"'
kill_b

# The record is lost: what it told is found again.
rm -rf "$site_b"
cp -a "$scratch_dir/kept" "$site_b"
start_b
check "it goes on" wait_until 60 failed_over
kill_b
rm "$site_b/state/promotions/a.json"
start_b
b replicactl failover a --force >/dev/null
is "the salvage is known" "$(b rpc-call get a salvage)" \
	"$(ls "$stage_dir"/*.salvage)"
is "and the newest epoch that there was" "$(b rpc-call get a last_clean)" \
	"$last"
check "and what was dropped" eval '[ "$(b rpc-call get a dropped_bytes)" -gt 0 ]'

# A folder that is slow to read: a file that cannot be opened yet.
mkfifo "$stage_dir/slow.salvage"
b replicactl salvage --json >"$scratch_dir/list" &
list=$!
for _ in 1 2 3; do
	check "salvages are listed beside the work" \
		timeout 60 env SIM_DIR="$site_b" \
		REPLICA_SOCKET="$site_b/control" rpc-call status
done
timeout 60 sh -c ': >"$1"' sh "$stage_dir/slow.salvage"
wait $list
is "and then they are there" "$(jq '[.salvages[] | select(.error | not)] |
	length' "$scratch_dir/list")" 1
is "what is none has an error" "$(jq '[.salvages[] | select(.error)] | length' \
	"$scratch_dir/list")" 1
rm "$stage_dir/slow.salvage"
kill_b
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the site that is left could not take a
# volume over, as of any epoch that it lists, or would not tell what that costs.
# lab: timeout=300
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
last=$epoch

refuses "not without a word" "hands over; --force" b replicactl failover a
refuses "not a volume that is not here" "there is no replica of zz" \
	b replicactl failover zz --force
refuses "not where it is the primary" "is a primary here already" \
	replicactl failover a --force
refuses "not as of an epoch that is none" "there is no image of epoch" \
	b replicactl failover a --force --epoch $((last + 5))
refuses "not as of a time before all" "does not reach back" \
	b replicactl failover a --force --at @1000000
check "all that has changed nothing" wait_until 60 serves p
make_epoch 15 0
last=$epoch
lose_a

server=$(b_pair p server_pid)
b replicactl failover a --dry-run --json >"$scratch_dir/dry"
is "a dry run tells the newest image" "$(jq .epoch "$scratch_dir/dry")" "$last"
b replicactl failover a --dry-run --epoch "$back" --json >"$scratch_dir/dry"
is "or the one that is asked for" "$(jq .epoch "$scratch_dir/dry")" "$back"
check "and what it costs" eval \
	'[ "$(jq ".dropped_bytes > 100000 and .lost_s > 0" "$scratch_dir/dry")" = true ]'
is "B serves all the time" "$(b_pair p server_pid)" "$server"
check "and nothing was begun" eval '! ls "$site_b/state/promotions" 2>/dev/null'

b replicactl failover a --force --epoch "$back" --json >"$scratch_dir/done"
is "it is done" $? 0
is "as of that epoch" "$(jq .epoch "$scratch_dir/done")" "$back"
is "the device" "$(jq -r .device "$scratch_dir/done")" /dev/mapper/a
check "the base is that image" cmp "$scratch_dir/image.$back" "$site_b/a.base"
check "what A has delivered since is dirty at B (L2)" marks_cover "$back"
check "nearly nothing else is" eval '[ "$(b_dirty | wc -l)" -le 64 ]'
is "the kernel has that" "$(b sim-ctl get a dirty)" "$(b_dirty | wc -l)"
check "and is salvaged (L4)" salvage_has
is "the old generation is its ancestor" \
	"$(replica-dump "$stage_dir/a.meta" | awk '$1 == "ancestor" { print $4 }')" \
	"$back"
generation=$(jq -r .generation "$site_b/state/a.id")
replica-dump "$stage_dir" >"$scratch_dir/dump"
is "replica-dump finds nothing wrong" $? 0
check "  and tells where it was promoted" grep -qF \
	"a.fence: left, promoted at epoch $back, generation $generation" \
	"$scratch_dir/dump"
check "  and what from" grep -q "a.fence: ancestor [0-9a-f]\{16\}, to epoch $back\$" \
	"$scratch_dir/dump"
mkdir "$scratch_dir/copy"
cp "$stage_dir"/a.{volume,fence} "$scratch_dir/copy"
printf x | dd of="$scratch_dir/copy/a.fence" bs=1 seek=100 conv=notrunc status=none
printf x | dd of="$scratch_dir/copy/a.fence" bs=1 seek=4196 conv=notrunc status=none
refuses "  a damaged one is told" "a.fence: " replica-dump "$scratch_dir/copy"
is "the volume is the same one" "$(jq -r .volume_id "$site_b/state/a.id")" \
	"$volume_id"
is "its state" "$(b rpc-call get a state)" promoted
is "  in Cinder's words" "$(b rpc-call get a replication_status)" failed-over
is "with a generation of its own in Cinder's words" \
	"$(b rpc-call get a replication_driver_data)" \
	"$(jq -r .generation "$scratch_dir/done")"
before=$(b sim-ctl get a dirty)
b sim-ctl write a 4194304 8192 5
is "what is written there is tracked" "$(b sim-ctl get a dirty)" \
	$((before + 2))
check "the same again is fine" b replicactl failover a --force --epoch "$back"
refuses "another epoch is not" "was promoted already" \
	b replicactl failover a --force --epoch "$last"

refuses "what was its replica can't be deleted" "was promoted" \
	b replicactl delete a --replica --dir "$stage_dir" --yes
check "B serves its pair again" wait_until 60 serves p
start_daemon
check "the old primary sees that it is superseded" wait_until 60 eval \
	'field a reason | grep -q "of another generation"'
is "that is its state" "$(field a state)" superseded
is "  in Cinder's words" "$(field a replication_status)" failed-over
check "with the old generation" eval '[[ $(field a replication_driver_data) =~ ^[0-9a-f]{16}$ ]] &&
	! field_is a replication_driver_data "$(b rpc-call get a replication_driver_data)"'
check "with a next step that keeps aside what is only here (L4)" eval \
	'field a next_step | grep -q "resolve --keep peer"'
check "it sends nothing, whatever is written there" eval \
	'sim-ctl write a 0 4096 3; sleep 0.5; field_is a state superseded'
check "an operator can make it look again" replicactl resume a
check "it says the same" wait_until 60 field_is a state superseded
is "and has written nothing" "$(b sim-ctl get a dirty)" $((before + 2))

kill_pid $b_pid
start_b
check "after a restart it is still the primary" wait_until 60 failed_over
check "what was written is there" eval \
	'[ "$(b sim-ctl get a dirty)" = $((before + 2)) ]'
name=$(b replicactl salvage --json | jq -r '.salvages[0].name')
check "the salvage can be dropped" b replicactl salvage --drop "$name" --yes
is "and is gone then" "$(b replicactl salvage)" "There is no salvage."
both_stop_cleanly
finish

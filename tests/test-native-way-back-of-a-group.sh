#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: after the failover of a group, the volumes
# of the old primary could not become replicas of one group, or what was only
# there would be lost, or the group could not come back.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

replicate_group
make_group_epoch 11 0
back=$epoch
make_group_epoch 12 65536
lose_a
for v in $members; do
	sim-ctl write $v 1048576 131072 66	# nobody at B ever sees this
	cp "$scratch_dir/$v.img" "$scratch_dir/$v.alone"
done
b replicactl failover a --group --force --epoch "$back" >/dev/null ||
	bail "no failover"
for v in $members; do
	b sim-ctl write $v 2097152 65536 77
done
start_daemon
for v in $members; do
	check "$v is superseded at A" wait_until 60 field_is $v state superseded
	check "  it is given up" replicactl resolve $v --keep peer
	is "  nobody writes to it then" "$(field $v writes)" refused
	name=$(replicactl salvage --json | jq -r --arg v $v \
		'.salvages[] | select(.volume == $v) | .name')
	rm -f "$scratch_dir/salvaged"
	check "  what was only there is salvaged" replicactl salvage "$name" \
		--export "$scratch_dir/salvaged"
	check "  as it was" cmp -n 131072 -i 1048576 "$scratch_dir/salvaged" \
		"$scratch_dir/$v.alone"
done
for v in $members; do
	check "$v is disabled" replicactl disable $v
done

# The way back: A receives them as one group, on the disks that it has.
stop_daemon
group_goes_back "$state_dir"
for v in $members; do
	check "  of $v only what differed was sent" test \
		"$(b rpc-call get $v bytes_shipped)" -le $((1024 * 1024))
done
for v in $members; do
	b sim-ctl write $v 4194304 65536 78
done
check "B goes on" wait_until 60 b_settled
kill_pid $b_pid
check "A takes both over again" replicactl failover c --group --force
for v in $members; do
	check "  $v with all that B had" cmp "$site_b/$v.base" \
		"$scratch_dir/$v.img"
	is "  it remembers both generations" "$(sim-ctl get $v ancestors)" 2
done
start_b
for v in $members; do
	check "now $v is superseded at B" wait_until 60 eval \
		'[ "$(b rpc-call get '$v' state)" = superseded ]'
done

# T5: what is being given up goes with no other, whatever was asked before.
refuses "who was superseded is not promoted" "is superseded since" \
	b replicactl failover c --group --force --epoch 999
touch "$site_b/stays"
refuses "c is given up, but its device stays" "could not be removed" \
	b replicactl resolve c --keep peer
refuses "a is asked for" "is superseded since" \
	b replicactl failover a --group --force
is "  c is given up all the same" "$(step_of c)" given-up
refuses "  and does not come back" "being given up" \
	b replicactl failover c --group --force
rm "$site_b/stays"
for v in $members; do
	check "$v can be given up in its turn" b replicactl resolve $v \
		--keep peer
done
is "then B is no primary any more" "$(ls "$site_b/state/promotions")" ""
refuses "and never of what it had before (P5)" "given up" \
	b replicactl failover a --group --force --dir "$stage_dir"
stop_daemon
is "A stops cleanly" $? 0
kill_pid $b_pid
finish

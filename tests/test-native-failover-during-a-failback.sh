#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a failover that comes while the old primary is
# being made the replica would take an image that is half there, leave two sites
# that both count, or leave one that says nothing of what to do next.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

b_is() {
	# shellcheck disable=SC2053 # a pattern
	[[ $(b rpc-call get a state) == $1 ]]
}

b_settled() {
	b_is replicating && [ "$(b rpc-call get a dirty_bytes)" = 0 ] &&
		[ "$(b rpc-call get a epoch)" = 0 ]
}

# not_at_a WHEN REGEX: A is no primary, says why, and has begun nothing
not_at_a() {
	refuses "$1: A does not take over" "$2" replicactl failover a --force
	is "  it has begun nothing" "$(ls "$state_dir/promotions" 2>/dev/null)" ""
	check "  nobody writes there" eval '[ "$(sim-ctl get a plain)" = 1 ]'
}

replicate_pair
make_epoch 11 0
sim-ctl write a 1048576 131072 66
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
b sim-ctl write a 2097152 1048576 77
start_daemon
wait_until 60 field_is a state superseded || bail "A is not superseded"
replicactl resolve a --keep peer >/dev/null || bail "A does not give up"
check "B is asked again: it is the primary already" \
	b replicactl failover a --force

# The way back, so slowly that it does not end by itself.
replicactl disable a >/dev/null || bail "A does not let it go"
a_receives "$native_mib"
b replicactl enable a --target pair:q --heartbeat 200ms --interval 20ms \
	--retry-max 500ms --bandwidth 16KiB --window 64KiB --yes >/dev/null ||
	bail "B does not send it"
wait_until 60 eval '[ "$(b rpc-call get a bytes_shipped)" -gt 0 ]' ||
	bail "nothing is sent"
check "the first copy is under way" b_is "@(syncing|falling-behind)"
not_at_a "half there" "no consistent image"
check "B is asked again: it is the primary" b replicactl failover a --force
check "  and goes on sending" wait_until 60 b_is "@(syncing|falling-behind)"
check "  with a next step" eval '[ -n "$(b rpc-call get a next_step)" ]'

kill_b
not_at_a "half there, and B is gone" "no consistent image"
start_b
check "B comes back as the primary" wait_until 60 b_is \
	"@(syncing|falling-behind)"
check "  and takes writes" b sim-ctl write a 4194304 65536 78
check "when it may, it goes on to the end" b replicactl disable a
check "  at full speed" b replicactl enable a --target pair:q \
	--heartbeat 200ms --interval 20ms --retry-max 500ms --bandwidth 0
check "  and is there" wait_until 60 b_settled
cp "$site_b/a.base" "$scratch_dir/at-b.img"

# Now there is one: A takes over while B is alive, and writes.
check "A takes over by force" replicactl failover a --force
check "  with all that B had" cmp "$scratch_dir/at-b.img" "$scratch_dir/a.img"
check "B learns that it is not the truth any more" wait_until 60 \
	b_is superseded
check "  and is told what to do" eval \
	'b rpc-call get a next_step | grep -q "resolve --keep peer"'
is "A is the one that counts" "$(field a state)" promoted
check "B gives up" b replicactl resolve a --keep peer
is "  and has no device" "$(b sim-ctl get a plain)" 1
is "  A still counts" "$(field a state)" promoted
both_stop_cleanly
finish

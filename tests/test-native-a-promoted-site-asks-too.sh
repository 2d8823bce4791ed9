#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site that was promoted once, and is the old
# primary now, would come back as a second primary when it boots (P5, T8).
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

replicate_group
make_group_epoch 11 0
lose_a
b replicactl failover a --group --force >/dev/null || bail "no failover"

# A receives the group, which B sends with activation=ask.
for v in $members; do
	sim-ctl meta $v unplug
done
group_goes_back "$scratch_dir/state-a" activation=ask stale_wait=300ms
kill_pid $b_pid
start_b
check "another replicad at B asks for none that is there (B1)" wait_until 60 b_settled

boot_b() {
	kill_pid $b_pid
	for v in $members; do
		b sim-ctl meta $v unplug
	done
}
plain_is() {
	[ "$(b sim-ctl get a plain)$(b sim-ctl get c plain)" = "$1" ]
}
# told VOLUME WORDS
told() {
	b rpc-call get "$1" reason | grep -q "$2"
}

boot_b
kill_daemon
mkdir "$scratch_dir/maps"
mv "$site_b"/*.map "$scratch_dir/maps"
began=$SECONDS
check "at boot, promoted volumes are left to replicad" b replicad-sim \
	--config "$site_b/conf" --insert=100
check "  without waiting for them" test $((SECONDS - began)) -lt 60
mv "$scratch_dir"/maps/*.map "$site_b"
start_b
for v in $members; do
	check "no answer: $v does not come up" wait_until 60 told $v \
		"not activated: its target does not say whether"
done
check "  at all" plain_is 11
for verb in "path a" "snapshot a now" "clone a x"; do
	is "  it is not to be used: $verb" "$(b replicactl $verb >/dev/null 2>&1
		echo $?)" 8
done
is "  there is no clone" "$(b replicactl create --names)" ""
refuses "  and a failover again makes no device" "activation=force" \
	b replicactl failover a --force
check "  at all" plain_is 11
start_daemon
check "the answer comes: they do" wait_until 60 plain_is 00
check "  and are replicated" wait_until 90 b_settled
is "  it is to be used" "$(b replicactl path a)" /dev/mapper/a

boot_b
replicactl failover a --group --force >/dev/null || bail "no failover to A"
start_b
for v in $members; do
	check "A has taken over: $v does not come up at B" wait_until 60 told $v \
		"not activated: the other site has taken over"
done
check "  at all" plain_is 11
kill_pid $b_pid
start_b
check "also not after a restart" wait_until 60 told a "has taken over"
check "  at all" plain_is 11
check "when replication is taken back" b replicactl disable c
check "  that one can be made the primary again, by hand" \
	b replicactl failover c --force
check "  and the other is not" plain_is 10
kill_pid $b_pid
b_options=${b_options//activation=ask/activation=force}
start_b
check "with force it comes up" wait_until 60 plain_is 00
superseded() {
	[ "$(b rpc-call get a state)" = superseded ]
}
check "  and finds itself superseded" wait_until 60 superseded
finish

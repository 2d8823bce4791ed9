#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a planned failover would leave something
# behind, or take a volume away that is in use, or that the other site has not.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

replicate_pair
make_epoch 11 0
refuses "it goes alone" "no other option" \
	replicactl failover a --planned --force
check "a dry run: all is there" replicactl failover a --planned --dry-run
check "and changes nothing" field_is a state replicating
touch "$scratch_dir/open"
refuses "not while it is open" "is in use" replicactl failover a --planned
refuses "nor back" "is in use" replicactl --json failback a
refuses "which goes alone, too" "no other option" replicactl failback a --force
rm "$scratch_dir/open"
check "which changes nothing" field_is a state replicating

kill_pid $b_pid
wait_until 60 field_is a state connecting
sim-ctl write a 1048576 262144 21
rpc-call failover '{"volume": "a", "planned": true, "wait_s": 1}' \
	>"$scratch_dir/says" 2>&1
is "not without the other site" $? 6
check "and it is said why" grep -q "a is connecting" "$scratch_dir/says"
check "the volume is still there" field_is a state connecting
start_b
check "with what was written meanwhile" wait_until 60 field_is a state \
	replicating
sim-ctl storm a 300 5
check "handed over, with writes of a moment ago" replicactl failover a --planned
cp "$scratch_dir/a.img" "$scratch_dir/last.img"
check "it is not replicated from here any more" field_is a state superseded
is "and nobody writes to it" "$(field a writes)" refused
check "the other site takes it over" b replicactl failover a --force --json
check "with all of it" cmp "$scratch_dir/last.img" "$site_b/a.base"
is "nothing had to be dropped" "$(b replicactl salvage)" "There is no salvage."
stop_daemon
is "A stops cleanly" $? 0
kill_pid $b_pid
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume that replicad makes above a disk
# could not be handed over, because replicad itself has it open.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

a_options=$'origin=/dev/disk\nmetadata=none'
replicate_pair
make_epoch 11 0
sim-ctl meta a use
refuses "not while it is in use" "is in use" replicactl failover a --planned
sim-ctl meta a leave
check "which changes nothing" field_is a state replicating
check "it is handed over" replicactl failover a --planned
check "it is not replicated from here any more" field_is a state superseded
check "it can be disabled" replicactl disable a
is "then it has no device here" "$(sim-ctl get a plain)" 1
check "the other site takes it over" b replicactl failover a --force
check "with all of it" cmp "$scratch_dir/a.img" "$site_b/a.base"
stop_daemon
kill_pid $b_pid
finish

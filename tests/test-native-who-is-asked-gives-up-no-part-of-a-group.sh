#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site that is asked to give up one volume of
# a group would do so, and the others of the application would go on without it.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"
. "$(dirname "$0")/lib-route.sh"

replicate_group
printf '[pair p]\ngive_up=yes\n' >>"$scratch_dir/conf"
make_group_epoch 11 0
lose_a
b replicactl failover a --group --force >/dev/null || bail "no failover"
wait_until 60 serves p || bail "B does not serve"
start_daemon
check "the group is superseded" wait_until 60 all_are state superseded

is "one of two is not given up" \
	"$(status_of b replicactl resolve a --keep local --yes)" 5
check "  and what to say is told" \
	says "one of 2 in group g.*there, replicactl resolve a --group --keep peer"
check "  all go on" all_are writes allowed
check "  who asked waits for nothing" test ! -e "$site_b/state/keeping/a.json"
is "a dry run tells that, too" \
	"$(status_of b replicactl resolve a --keep local --dry-run)" 5
is "what was told is what to say" \
	"$(status_of replicactl resolve a --group --keep peer --yes)" 0
check "  all are given up" all_are writes refused
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume of another chunk size than the
# kernel's own could not be brought up after its stage has let it go.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

chunk_bytes=65536
replicate_pair
make_epoch 11 0
back=$epoch
make_epoch 12 65536
lose_a
check "it is taken over" b replicactl failover a --force --epoch "$back"
check "with its data" cmp "$scratch_dir/image.$back" "$site_b/a.base"
is "its metadata has the chunks of the other site" \
	"$(replica-dump --extents "$stage_dir/a.meta" |
		awk '$1 == "extent" { print $2, $3 }')" "1 1"
is "and so has its device" "$(b sim-ctl get a dirty)" 1
b sim-ctl write a 1048576 4096 5
is "what is written there is tracked" "$(b sim-ctl get a dirty)" 2
kill_pid $b_pid
start_b
check "after a restart it is there again" wait_until 60 failed_over
kill_pid $b_pid
finish

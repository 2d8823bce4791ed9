#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a failover would take an image that is older than
# what was acknowledged, because the log is damaged, without a word.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

replicate_pair
make_epoch 11 0
first=$epoch
kill_b
start_b			# what comes now is in another segment
make_epoch 12 1
lose_a
kill_b
segments=("$stage_dir"/a.log/*.seg)
newest=${segments[-1]}
printf 'X' | dd of="$newest" bs=1 seek=40 conv=notrunc status=none
rm -r "$site_b/state/pairs"	# so no server has opened the stage before
start_b
check "an older image is taken" b replicactl failover a --force --dir "$stage_dir"
check "  that of the first" cmp "$scratch_dir/image.$first" "$site_b/a.base"
check "  and it is told" grep -q "^replicad: warning: a: the log .*is damaged.*of epoch $first" \
	"$b_log"
kill_b
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a power cut of the primary makes it forget a chunk in which it
# differs from its target: the replica is wrong for ever, and nobody knows.
# lab: mem=3072 timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
. "$(dirname "$0")/lib-powercut.sh"
load_module
modprobe -q dm-log-writes || skip_all "needs dm-log-writes"

for seed in 1 2; do
	check "no power cut forgets a write (seed $seed)" power_cuts $seed \
		"${DMR_SOAK:-3}"
	note "$(cat "$scratch_dir/said")"
done
check "nor one where nobody else flushes" power_cuts 3 3 no-flush
note "$(cat "$scratch_dir/said")"
check_dmesg
finish

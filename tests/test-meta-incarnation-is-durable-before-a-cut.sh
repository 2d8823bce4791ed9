#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a target may know an epoch of a load of which the primary knows
# nothing after a power cut: it takes itself for a copy, and ships no more (D6).
# lab: fault timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_kept_volume vol 16 4
v=/dev/mapper/vol
settle_volume vol

# told START: the volume comes up, and power is cut when its first epoch has been
# cut: which load does the metadata name as the last one?
told() {
	local last
	$1 vol && start_kept vol || return
	dmr-ctl $v attach "write $v 80 8 1" "cut next" "wait frozen" \
		"run dd if=/dev/vol-meta of=$scratch_dir/meta bs=1M \
			iflag=direct status=none" "release all" "end commit" \
		>/dev/null || return
	last=$(replica-dump "$scratch_dir/meta" |
		awk '$1 == "incarnation" && !n++ { print $2 }')
	if [ "$last" = "$(printf %016x "$(field vol incarnation)")" ]; then
		echo "this one"
	else
		echo "another"
	fi
}
is "after a clean shutdown" "$(told retire_kept)" "this one"
is "after none" "$(told stop_kept)" "this one"
set_fault fault_no_incarnation 1
is "with the rule broken, that is noticed" "$(told retire_kept)" "another"
is "  after none, too" "$(told stop_kept)" "another"
set_fault fault_no_incarnation 0
is "not any more" "$(told retire_kept)" "this one"
check_dmesg
finish

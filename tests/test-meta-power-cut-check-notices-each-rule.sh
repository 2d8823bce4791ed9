#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, test-meta-power-cuts-forget-no-write.sh proves nothing: with a
# rule switched off it should find power cuts that forget a write.
# lab: soak fault mem=3072 timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
. "$(dirname "$0")/lib-powercut.sh"
load_module --fault
modprobe -q dm-log-writes || skip_all "needs dm-log-writes"

# notices RULE REGEX: what the check says then. A slow machine writes little in
# its time; it gets more, and other seeds.
notices() {
	local seed
	set_fault "fault_$1" 1
	for seed in 3 4 5; do
		power_cuts $seed $((2 * seed))
		! grep -qE "$2" "$scratch_dir/said" || break
	done
	set_fault "fault_$1" 0
	check "fault_$1 is noticed" grep -qE "$2" "$scratch_dir/said"
	note "$(cat "$scratch_dir/said")"
}
notices no_intent "^# .*: forgotten"
set_fault fault_cool_us 3000
notices early_cool "^# .*: forgotten"
set_fault fault_cool_us 0
notices no_flush "^# .*: forgotten"
notices no_name "^# .*: cleared by an epoch that is not known"
notices no_range "^# .*: forgotten"
check_dmesg
finish

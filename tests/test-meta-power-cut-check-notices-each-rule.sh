#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, test-meta-power-cuts-forget-no-write.sh proves nothing: with a
# rule switched off it should find power cuts that forget a write.
# lab: fault mem=3072 timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
. "$(dirname "$0")/lib-powercut.sh"
load_module --fault
modprobe -q dm-log-writes || skip_all "needs dm-log-writes"

# notices RULE REGEX [no-flush]: what the check says then. A run has enough of
# all that each rule is about, so one is enough.
notices() {
	set_fault "fault_$1" 1
	power_cuts 3 2 "${@:3}"
	set_fault "fault_$1" 0
	check "fault_$1 is noticed" grep -qE "$2" "$scratch_dir/said"
	note "$(cat "$scratch_dir/said")"
}
notices no_intent "^# .*: forgotten"
notices early_cool "^# .*: forgotten"
# A writer's flush would do for ours, by chance.
notices no_flush "^# .*: forgotten" no-flush
notices no_name "^# .*: cleared by an epoch that is not known"
notices no_range "^# .*: forgotten"
check_dmesg
finish

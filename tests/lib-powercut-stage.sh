# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-stage-power-cut*.sh, which run on the host: after lib.sh. The stage's
# writes are recorded in a virtual machine, in which dm-log-writes is below its
# file system and its base; the power is cut here, on paper.

fs=49152 base=2048		# sectors
base_path=$scratch_dir/disk/base
seed=${DMR_SEED:-1}
requires_root
PATH=$PATH:/sbin:/usr/sbin
requires_cmd e2fsck debugfs powercut-stage-run powercut-stage-check

# record FAULT...: what each wrote, in $scratch_dir/log.FAULT
record() {
	local disks=() fault
	mkdir -p "$scratch_dir/disk"
	for fault; do
		truncate -s 256M "$scratch_dir/log.$fault"
		disks+=(--disk "$scratch_dir/log.$fault")
	done
	"$test_dir/vm/run" --no-module --timeout 400 "${disks[@]}" -- \
		tests/powercut-stage-record $fs $base "$base_path" "$seed" "$@" \
		>"$scratch_dir/recorded" 2>&1
}

# cut_power FAULT [OPTION...]: the verdict's status; what it said in $scratch_dir/said
cut_power() {
	local log=$scratch_dir/log.$1 status=0
	shift
	powercut-stage-check "$@" "$log" $fs $base "$base_path" "$seed" \
		>"$scratch_dir/said" 2>&1 || status=$?
	note "$(tail -n 12 "$scratch_dir/said")"
	return $status
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-meta-power-cut*.sh, which run on the host: after lib.sh. The writes of
# a volume are recorded in a virtual machine (tests/powercut-record), in which
# dm-log-writes is below its origin and its metadata; powercut-check cuts the
# power here, on paper, after every one.

origin=32768 meta=2048			# sectors
requires_root
PATH=$PATH:/sbin:/usr/sbin
requires_cmd powercut-check

# record OPTION... -- RUN...: options for vm/run. What each RUN (powercut-record)
# wrote is in $scratch_dir/log.RUN.
record() {
	local options=() disks=() run
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	for run; do
		truncate -s 400M "$scratch_dir/log.$run"
		disks+=(--disk "$scratch_dir/log.$run")
	done
	mkdir -p "$scratch_dir/share/out"
	"$test_dir/vm/run" --timeout 900 "${options[@]}" "${disks[@]}" \
		--share "$scratch_dir/share" -- tests/powercut-record $origin \
		$meta "$@" >"$scratch_dir/recorded" 2>&1
}

# cut_power RUN: the verdict's status; what it said is in $scratch_dir/said.
cut_power() {
	local status=0 seed=${1#*:}
	powercut-check "$scratch_dir/log.$1" $origin $meta \
		"$scratch_dir/share/out/images.$1" "${seed%%:*}" \
		>"$scratch_dir/said" 2>&1 || status=$?
	note "$(tail -n 12 "$scratch_dir/said")"
	rm -f "$scratch_dir/log.$1" "$scratch_dir/share/out/images.$1"
	return $status
}

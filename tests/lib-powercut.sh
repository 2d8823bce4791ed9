# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-meta-power-cut*.sh: source it after lib-kmod.sh. Origin and metadata
# are on one disk, whose writes are logged in the order in which they become
# durable; powercut-check cuts the power, on paper, after every one.

origin=32768 meta=2048			# sectors
shape="chunk_size 8 region_size 512 hot_regions 12"

# run SEED SECONDS [no-flush]: a fresh disk and log; status of the check.
run() {
	local seed=$1 seconds=$2
	shift 2
	requires_cmd powercut-run powercut-check
	make_null both 17 cache_size=4
	make_null log 400
	make_dm logged "0 $(sectors_of /dev/both) log-writes /dev/both /dev/log"
	make_dm org "0 $origin linear /dev/mapper/logged 0"
	make_dm met "0 $meta linear /dev/mapper/logged $origin"
	# shellcheck disable=SC2086
	dmsetup create vol --table "0 $origin replica /dev/mapper/org \
/dev/mapper/met 6 $shape" || bail "no volume"
	make_view vol /dev/mapper/org
	timeout 200 powercut-run /dev/mapper/vol /dev/mapper/vol-dmr-view \
		"$scratch_dir/images" "$seconds" "$seed" \
		"dmsetup message logged 0 mark" "$@" ||
		bail "powercut-run failed"
	dmsetup status vol
	dmsetup remove vol-dmr-view
	dmsetup message vol 0 retire
	dmsetup remove vol || bail "cannot remove the volume"
	# Whatever is still in the cache becomes durable after all that.
	blockdev --flushbufs /dev/mapper/logged
	fdatasync_of /dev/mapper/logged
	dmsetup message logged 0 mark the-end
	blockdev --flushbufs /dev/log
	powercut-check /dev/log $origin $meta "$scratch_dir/images" "$seed"
}

fdatasync_of() {
	python3 -c 'import os, sys; f = os.open(sys.argv[1], os.O_RDWR)
os.fdatasync(f)' "$1"
}

# power_cuts SEED SECONDS [no-flush]: the same; the disks are gone afterwards, and what
# the check said is in $scratch_dir/said.
power_cuts() {
	(
		test_cleanups=()
		trap run_nested EXIT
		run "$@"
	) >"$scratch_dir/said" 2>&1
}
run_nested() {
	local status=$? c
	for c in ${test_cleanups[@]+"${test_cleanups[@]}"}; do
		eval "timeout_or_function $c" >/dev/null 2>&1
	done
	exit $status
}

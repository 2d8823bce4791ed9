#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a power cut of the primary makes it forget a chunk in which it
# differs from its target: the replica is wrong for ever, and nobody knows.
#
# Origin and metadata are on one disk, whose writes are logged in the order in
# which they become durable. The power is cut, on paper, after every one.
# lab: fault mem=3072 timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
modprobe -q dm-log-writes || skip_all "needs dm-log-writes"
origin=32768 meta=2048			# sectors
seconds=${DMR_SOAK:-8}
shape="chunk_size 8 region_size 512 hot_regions 12"

# run SEED: a fresh disk and log; status of the check.
run() {
	local seed=$1
	make_null both 17 cache_size=4
	make_null log 400
	make_dm logged "0 $(sectors_of /dev/both) log-writes /dev/both /dev/log"
	make_dm org "0 $origin linear /dev/mapper/logged 0"
	make_dm met "0 $meta linear /dev/mapper/logged $origin"
	# shellcheck disable=SC2086
	dmsetup create vol --table "0 $origin replica /dev/mapper/org \
/dev/mapper/met 6 $shape" || bail "no volume"
	make_view vol /dev/mapper/org
	timeout 120 powercut-run /dev/mapper/vol /dev/mapper/vol-dmr-view \
		"$scratch_dir/images" "$seconds" "$seed" \
		"dmsetup message logged 0 mark" || bail "powercut-run failed"
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

# with_disks SEED: the disks are gone afterwards.
with_disks() {
	(
		test_cleanups=()
		trap run_nested EXIT
		run "$1"
	)
}
run_nested() {
	local status=$? c
	for c in ${test_cleanups[@]+"${test_cleanups[@]}"}; do
		eval "timeout_or_function $c" >/dev/null 2>&1
	done
	exit $status
}

check "no power cut forgets a write" with_disks 1
check "  nor does it with another seed" with_disks 2

# The check notices each rule that is taken away.
for rule in no_intent early_cool no_flush no_name no_range; do
	set_fault "fault_$rule" 1
	[ $rule = early_cool ] && set_fault fault_cool_us 3000
	refuses "$rule is noticed" "bad" with_disks 3
	set_fault fault_cool_us 0
	set_fault "fault_$rule" 0
done
check_dmesg
finish

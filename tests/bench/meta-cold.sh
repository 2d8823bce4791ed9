#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random 4 KiB writes of which nearly each opens a region: 64 of 1024 regions may
# be hot. dm-era has blocks of 4 KiB, and a new era every second, so that nearly
# each write marks one.
# lab: vm mem=1536 timeout=600
. "$(dirname "$0")/common"
. "$(dirname "$0")/meta-setup"
requires_module dm-era
make_kept region_size 512 hot_regions 64
sync_once vol
make_null era-meta 64
make_null era-disk 256 queue_mode=0
make_dm era "0 $(sectors_of /dev/era-disk) era /dev/era-meta /dev/era-disk 8"
while sleep 1; do
	command dmsetup message era 0 checkpoint
done &
cleanup_fn kill $!
compare meta-cold-vs-era /dev/mapper/era dm-era -q 16 -s 200 -t 40
bench_done

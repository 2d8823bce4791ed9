#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random 4 KiB writes over 32 GiB, of which nearly each opens another extent of
# 4 MiB, through the replica target and through DRBD 8.4 without a peer (its
# activity log and its bitmap alone), in turn. Each may have 67 extents open, the
# fewest that DRBD can be told. The disks forget what is written; they have
# queues, as real ones do. The metadata is on RAM disks.
# lab: vm mem=1536 timeout=600
. "$(dirname "$0")/common"
. "$(dirname "$0")/meta-setup"
requires_cmd drbdsetup drbdmeta

start_drbd() {
	modprobe drbd usermode_helper=/bin/true || return
	drbdmeta --force 0 v08 /dev/ram0 flex-external create-md &&
		drbdsetup new-resource r0 &&
		drbdsetup new-minor r0 0 0 || return
	cleanup_fn drbdsetup down r0
	drbdsetup attach 0 /dev/drbd-disk /dev/ram0 flexible \
		--al-extents=67 &&
		drbdsetup primary 0 --force &&
		drbdsetup new-current-uuid --clear-bitmap 0
}

for side in drbd our; do
	make_null $side-disk 32768 memory_backed=0
done
dm_remove lin
make_dm vol "0 $(sectors_of /dev/our-disk) replica /dev/our-disk \
/dev/ram1 2 hot_regions 67"
sync_once vol
start_drbd >"$scratch_dir/drbd" 2>&1 ||
	bail "no DRBD: $(tail -n 3 "$scratch_dir/drbd")"
compare meta-cold-vs-drbd /dev/drbd0 "DRBD 8.4 activity log" -q 16 -s 200 -t 40
compare meta-cold-vs-drbd-q1 /dev/drbd0 "DRBD 8.4 activity log" -q 1 -s 200 -t 20
bench_done

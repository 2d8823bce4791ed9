#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Sequential writes through cold regions of 1 MiB (64 of 256 may be hot, the
# others have cooled when the writer comes back), and through dm-linear, in turn.
# The ratio is the median over neighbours.
# lab: vm mem=1536 timeout=600
. "$(dirname "$0")/common"
. "$(dirname "$0")/meta-setup"
requires_cmd fio jq
make_kept region_size 2048 hot_regions 64
sync_once vol

# once_over DEVICE: bytes per second of one pass over it
once_over() {
	fio --name=seq --filename="/dev/mapper/$1" --rw=write --bs=64k --size=256m \
		--iodepth=8 --direct=1 --ioengine=io_uring --output-format=json |
		jq '.jobs[0].write.bw_bytes'
}
for ((i = 0; i < 15; i++)); do
	echo "$(once_over lin) $(once_over vol)"
done >"$scratch_dir/passes"
row meta-seq-cold "$(awk '{ print $2 }' "$scratch_dir/passes" | median)" B/s \
	dm-linear "$(awk '{ print $1 }' "$scratch_dir/passes" | median)" \
	"$(awk '{ print $2 / $1 }' "$scratch_dir/passes" | median)"
bench_done

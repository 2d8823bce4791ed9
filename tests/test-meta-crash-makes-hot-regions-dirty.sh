#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a crash of the primary loses writes, or it ships far more than
# what hot regions explain.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module idle_seconds=0		# what is hot stays so until the crash
requires_cmd fio
shape=(hot_regions 8 region_size 1024)
make_kept_volume vol 64 4 "${shape[@]}"
make_null copy-disk 64
make_meta copy 4
settle_volume vol

# What a crash leaves of a volume that nobody writes to: what is dirty is known.
crash() {
	dd if=/dev/vol-disk of=/dev/copy-disk bs=1M status=none oflag=direct \
		iflag=direct && copy_instant /dev/vol-meta /dev/copy-meta
}
chunks() {
	replicactl kernel dirty "$1" 2>/dev/null | awk '{
		for (at = $1; at < $1 + $2; at += 4096) print at / 4096 }'
}
write_some() {
	timeout 300 fio --name=load --filename=/dev/mapper/vol --rw=randwrite \
		--bs=4k --direct=1 --ioengine=io_uring --iodepth=8 \
		--number_ios="$1" --randseed="$2" >/dev/null
}

for round in 1 2 3; do
	write_some 60 $round
	ctl "round $round: a clean epoch" vol attach "cut next" "wait frozen" \
		"release all" "end commit"
	write_some 40 1$round
	check "  a crash" crash
	hot=$(dump copy hot) want=$(status_of vol dirty)
	check "  $hot regions were hot" test "$hot" -gt 0
	check "  the copy comes up" start_kept copy "${shape[@]}"
	got=$(status_of copy dirty)
	chunks vol | sort >"$scratch_dir/want"
	chunks copy | sort >"$scratch_dir/got"
	is "  as many chunks as were written" \
		"$(wc -l <"$scratch_dir/want")" "$want"
	is "  no chunk is forgotten" \
		"$(comm -23 "$scratch_dir/want" "$scratch_dir/got" | wc -l)" 0
	check "  $got are dirty for $want, not more than hot regions explain" \
		test "$got" -le $((want + hot * 128))
	is "  no region is hot any more" "$(status_of copy hot)" 0/128
	check "  it is not suspect" eval "! flag copy 8"
	stop_kept copy
done
check_dmesg
finish

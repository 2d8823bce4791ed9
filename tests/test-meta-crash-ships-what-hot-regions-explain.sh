#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a volume that crashed ships far more than it must, without any
# compare: more than what differs and the regions that may have been hot; or less.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module idle_seconds=0		# what is hot stays so until the crash
requires_cmd fio kill-rig
region=64				# chunks
make_null target 32

is_shipped() {
	[ "$(field "$1" nr_dirty) $(field "$1" epoch)" = "0 0" ] &&
		[ "$(grep -c ^epoch "$scratch_dir/epochs")" = \
			"$(field "$1" nr_commits)" ]
}
# ship NAME: since it came up; $shipped chunks
ship() {
	kill-rig ship "/dev/mapper/$1" "/dev/mapper/$1-dmr-view" /dev/target \
		>"$scratch_dir/epochs" 2>&1 &
	wait_until 100 is_shipped "$1" || bail "$1 is not shipped"
	kill $!
	wait $!
	shipped=$(awk '/^epoch/ { n += $3 } END { print n }' "$scratch_dir/epochs")
}
differing() {
	kill-rig check "/dev/mapper/$1" "/dev/$1-disk" /dev/target |
		sed -n 's/^differ \([0-9]*\) .* forgotten 0 .*/\1/p'
}
# What was committed a moment ago may be sent again: that is not what is counted.
is_cleared() {
	[ "$(dump "$1" dirty) $(dump "$1" last_committed)" = "0 $2" ]
}

# crash_with N LEAST: N hot regions at most, and so many at least
crash_with() {
	local n=$1 least=$2 vol=v$1 copy=c$1 hot differ more
	make_kept_volume $vol 32 4 region_size 512 hot_regions $n
	ship $vol
	is "$n hot regions: the first sync sends all" "$shipped" 8192
	check "  which is remembered" wait_until 60 is_cleared $vol \
		"$(field $vol last_committed)"
	timeout 300 fio --name=load --filename=/dev/mapper/$vol --rw=randwrite \
		--bs=4k --direct=1 --ioengine=io_uring --iodepth=8 \
		--number_ios=200 --randseed=$n --refill_buffers >/dev/null
	make_null $copy-disk 32
	make_meta $copy 4
	check "  it crashes" eval "dd if=/dev/$vol-disk of=/dev/$copy-disk bs=1M \
		status=none oflag=direct && copy_instant /dev/$vol-meta /dev/$copy-meta"
	hot=$(dump $copy hot)
	# Room is made ahead: where few may be hot, none may be at the crash.
	check "  $hot of them are hot" test "$hot" -ge "$least" -a "$hot" -le $n
	check "  it comes up again" start_kept $copy region_size 512 \
		hot_regions $n
	cleanup_fn stop_kept $copy
	differ=$(differing $copy)
	check "  ${differ:-not all} chunks differ, none is forgotten" test \
		"${differ:-0}" -gt 100
	ship $copy
	more=$((shipped - differ))
	check "  $shipped are sent: $more more" test $more -ge "$least" -a \
		$more -le $((hot * region))
	is "  the target is the volume" "$(differing $copy)" 0
}
crash_with 2 0
crash_with 8 1
crash_with 40 8
check_dmesg
finish

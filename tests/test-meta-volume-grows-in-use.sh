#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a volume that grows loses bits, or does not ship its new part.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
requires_cmd fio
make_null vol-disk 64
make_meta vol 8
v=/dev/mapper/vol
table() {
	echo "0 $1 replica /dev/vol-disk /dev/vol-meta" \
		"4 region_size 512 hot_regions 16"
}
make_dm vol "$(table 40004)"
settle_volume vol
ctl "something is dirty" vol "write $v 80 8 1" "write $v 39992 8 1" \
	"expect nr_dirty=2 nr_hot=2"

timeout 100 fio --name=load --filename=$v --rw=randwrite --bs=4k --direct=1 \
	--ioengine=io_uring --iodepth=4 --offset=4M --size=8M --runtime=8 \
	--time_based >"$scratch_dir/fio" 2>&1 &
writer=$!
is_written() {
	[ "$(field vol nr_hot)" -gt 2 ]
}
check "it is written" wait_until 60 is_written
check "a larger table" dmsetup reload vol --table "$(table 100000)"
ctl "  under load, with an epoch open: that is aborted" vol attach \
	"cut next" "wait frozen" "expect nr_frozen>=2" "run dmsetup resume vol" \
	"expect nr_frozen=0 epoch=0 nr_aborts=1" "fails ESTALE end commit"
wait $writer
is "the writer notices nothing" $? 0
ctl "the new part is dirty" vol "expect sectors=100000 nr_dirty>=7500" \
	"write $v 99992 8 3" "read $v 80 8 1"
check "  what was frozen is dirty again" grep -qx "40960 4096" \
	<(replicactl kernel dirty vol)
check "  the new part from the chunk that was cut short on" \
	grep -qx "$((4999 * 4096)) $((7501 * 4096))" \
	<(replicactl kernel dirty vol)
is "  also on disk" "$(dump vol sectors)" 100000
refuses "it shrinks by no reload" "" dmsetup reload vol --table \
	"$(table 40004)"
dmsetup clear vol
settle_volume vol
ctl "all of it can be shipped" vol "write $v 99992 8 4" "expect nr_dirty=1"
check "it retires" dmsetup message vol 0 retire
dm_remove vol

check "it comes up larger again" dmsetup create vol --table "$(table 131072)"
is "  with the rest of it dirty" "$(status_of vol dirty)" 3885
is "  in its place" "$(dmr-ctl $v dirty)" \
	"# dirty: chunks=3885: 12499-16383 ok"
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a table that takes the place of ours is forgotten where the
# metadata device breaks at that moment: what is written through it is never
# shipped (S8). Or the suspend of a volume hangs whose metadata device is
# suspended already, as pvmove may do.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_null vol-disk 16
make_null vol-meta 4
size=$(sectors_of /dev/vol-disk) meta=$(sectors_of /dev/vol-meta)
well="0 $meta linear /dev/vol-meta 0"
v=/dev/mapper/vol
replace_meta() {
	dmsetup reload met --table "$1" && dmsetup resume met
}
create() {
	dmsetup create vol --table \
		"0 $size replica /dev/vol-disk /dev/mapper/met 0"
}
ship_all() {
	make_view vol /dev/vol-disk
	settle_volume vol
	dm_remove vol-dmr-view
}
make_dm met "$well"
check "a volume" create
cleanup_fn dm_remove vol
ship_all

check "another table is to take its place" dmsetup reload vol --table \
	"0 $size linear /dev/vol-disk 0"
check "  the volume is suspended" dmsetup suspend vol
check "  its metadata device breaks" replace_meta "0 $meta error"
check "  the other table works" dmsetup resume vol
dd if=/dev/urandom of=$v bs=4k count=1 seek=5 oflag=direct status=none
check "  it goes, and the metadata device is well again" \
	eval "dm_remove vol && replace_meta '$well'"
check "the volume comes up" create
check "  suspect" flag vol 8
ctl "  wholly dirty" vol "expect nr_dirty=4096"
ship_all
is_trusted() {
	[ "$(dump vol flags)" = - ]
}
check "  until all was shipped" wait_until 60 is_trusted

# A power cut now, and nobody knows that it would have gone on.
check "it is suspended" dmsetup suspend vol
check "  power is cut" copy_instant /dev/vol-meta "$scratch_dir/meta"
check "  it goes on" dmsetup resume vol
check "  trusted" wait_until 60 is_trusted
check "  it retires" dmsetup message vol 0 retire
dm_remove vol
dd if="$scratch_dir/meta" of=/dev/vol-meta bs=1M conv=fsync status=none
check "after the cut it comes up" create
check "  suspect" flag vol 8
ship_all
check "  until all was shipped" wait_until 60 is_trusted

check "its metadata device is suspended" dmsetup suspend met
check "  so is the volume: that ends" timeout 100 dmsetup suspend vol
check "  and is said" eval "kernel_log | grep -q 'metadata: no answer'"
check "  both go on" eval "dmsetup resume met && dmsetup resume vol"
ctl "  the volume works" vol "write $v 800 8 1" "expect nr_dirty=1"
check "  trusted" wait_until 60 is_trusted
check "  it retires" dmsetup message vol 0 retire
dm_remove vol
is "  cleanly" "$(dump vol flags)" clean
check_dmesg
finish

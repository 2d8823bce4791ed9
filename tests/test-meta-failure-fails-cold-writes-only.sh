#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a metadata device that breaks takes the application down, or,
# worse, writes go on without being tracked.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_null vol-disk 64
make_null vol-meta 4
meta=$(sectors_of /dev/vol-meta)
make_dm met "0 $meta linear /dev/vol-meta 0"
make_dm vol "0 131072 replica /dev/vol-disk /dev/mapper/met 2 hot_regions 4"
make_view vol /dev/vol-disk
v=/dev/mapper/vol
settle_volume vol
ctl "two regions are hot" vol "write $v 80 8 1" "write $v 8272 8 1" \
	"expect nr_hot=2 nr_dirty=2"

break_meta() {
	dmsetup reload met --table "0 $meta error" && dmsetup resume met
}
mend_meta() {
	dmsetup reload met --table "0 $meta linear /dev/vol-meta 0" &&
		dmsetup resume met
}
dmr-ctl $v "event meta_failed 300000" >"$scratch_dir/event" 2>&1 &
listener=$!
wait_until 60 grep -q . "$scratch_dir/event" || bail "nobody listens"
check "the metadata breaks" break_meta
ctl "hot regions go on" vol "write $v 16 8 2" "write $v 8200 8 2" \
	"expect nr_dirty=4"
ctl "a write to a cold one fails, untracked ones don't exist" vol \
	"fails EIO write $v 16464 8 1" "fails EIO discard $v 40960 8192" \
	"expect nr_dirty=4" "read $v 80 8 1"
check "the status says so" grep -q " failed$" <(dmsetup status vol)
check "GET says so" flag vol 16
wait $listener
is "META_FAILED was sent" $? 0
ctl "an epoch is committed all the same" vol attach "cut next" "wait frozen" \
	"release all" "end commit" "expect nr_dirty=0"
ctl "hot regions still go on" vol "write $v 16 8 3" "expect nr_dirty=1"

check "the metadata is mended" mend_meta
is_well() {
	grep -q " durable$" <(dmsetup status vol)
}
check "it is noticed" wait_until 60 is_well
ctl "cold regions take writes" vol "write $v 16464 8 1" "expect nr_dirty=2"
is "it said both" "$(kernel_log |
	grep -c 'only hot regions\|metadata: works again')" 2

# While nothing can be cooled, room does not come: an error, not a hang.
check "it breaks again" break_meta
ctl "no write waits for ever" vol "fails EIO write $v 24576 8 1" \
	"fails EIO write $v 32768 8 1" "fails EIO write $v 40960 8 1"
check "it is mended" mend_meta
check "  at once, by a resume" eval "dmsetup suspend vol && dmsetup resume vol"
check "  it is well" wait_until 60 is_well
check "it retires" dmsetup message vol 0 retire
dm_remove vol-dmr-view
check "  cleanly" dmsetup remove vol
is "  says the superblock" "$(dump vol flags)" clean
check_dmesg
finish

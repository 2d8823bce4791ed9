#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a volume that grew while its metadata device was broken goes on
# without bits for its new part, or is lost to its users for good.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
requires_cmd replica-dump
make_null vol-disk 64
make_null vol-meta 4
meta=$(sectors_of /dev/vol-meta)
v=/dev/mapper/vol
table() {
	echo "0 $1 replica /dev/vol-disk /dev/mapper/met 0"
}
met_is() {
	dmsetup reload met --table "0 $meta $*" && dmsetup resume met
}
is_suspended() {
	[ "$(dmsetup info -c --noheadings -o suspended vol)" = Suspended ]
}
make_dm met "0 $meta linear /dev/vol-meta 0"
make_dm vol "$(table 40000)"
settle_volume vol
ctl "something is dirty" vol "write $v 80 8 1" "expect nr_dirty=1"

check "a larger table" dmsetup reload vol --table "$(table 100000)"
check "the metadata breaks" met_is error
refuses "it can't grow" "" dmsetup resume vol
check "  and stays suspended" is_suspended
refuses "the old table is refused" "" dmsetup reload vol --table \
	"$(table 40000)"
refuses "it can't be resumed" "" dmsetup resume vol
check "  and stays suspended" is_suspended
is "  nothing has changed on disk" "$(dump vol sectors)" 40000

check "the metadata is mended" met_is linear /dev/vol-meta 0
check "it is resumed" dmsetup resume vol
is "  it has grown" "$(sectors_of $v)" 100000
is "  also on disk" "$(dump vol sectors)" 100000
ctl "  the new part is dirty, as is what was" vol "expect nr_dirty=7501" \
	"write $v 99992 8 3" "read $v 80 8 1"
settle_volume vol
ctl "all of it can be shipped" vol "write $v 99992 8 4" "expect nr_dirty=1"
check_dmesg
finish

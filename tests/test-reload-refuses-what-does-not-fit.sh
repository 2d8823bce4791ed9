#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a reload with another shape or origin takes the dirty map along
# to where it does not fit, or a refused one harms the device that works.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_null disk0 16
make_null other 16
make_replica vol /dev/disk0
size=$(sectors_of /dev/disk0)
settle_volume vol
ctl "something is dirty" vol "write /dev/mapper/vol 80 8 1" "expect nr_dirty=1"

for table in "replica /dev/disk0 - 2 chunk_size 16" \
	"replica /dev/disk0 - 2 region_size 4096"; do
	refuses "$table" "" dmsetup reload vol --table "0 $size $table"
	dmsetup clear vol
done
refuses "half the size" "" dmsetup reload vol --table \
	"0 $((size / 2)) replica /dev/disk0 - 0"
dmsetup clear vol
ctl "the device works on" vol "write /dev/mapper/vol 88 8 2" \
	"expect nr_dirty=2" "read /dev/mapper/vol 80 8 1"
check "the same table is taken" dmsetup reload vol --table \
	"0 $size replica /dev/disk0 - 0"
check "  and resumed" dmsetup resume vol
ctl "  with its map" vol "expect nr_dirty=2"
check "a table that was loaded is dropped without harm" dmsetup reload vol \
	--table "0 $size replica /dev/disk0 - 0"
check "  by clear" dmsetup clear vol
ctl "  and the map is there" vol "expect nr_dirty=2" \
	"write /dev/mapper/vol 0 8 3" "expect nr_dirty=3"

# What lvchange --refresh does: our target is taken out.
check "a linear table takes its place" dmsetup reload vol --table \
	"0 $size linear /dev/disk0 0"
check "  under load" dmsetup resume vol
ctl "  and the volume is gone" vol "fails ENODEV get"
check "put back" dmsetup reload vol --table "0 $size replica /dev/disk0 - 0"
check "  it is resumed" dmsetup resume vol
ctl "  wholly dirty, for nobody watched" vol \
	"expect nr_dirty=4096 highest_seen=0" "read /dev/mapper/vol 80 8 1"
check_dmesg
finish

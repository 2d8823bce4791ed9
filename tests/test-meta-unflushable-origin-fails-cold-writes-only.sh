#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, an origin that takes writes and can't be flushed makes writers
# wait for ever, or a region cools whose data is not on disk.
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_kept_volume vol 64 4 hot_regions 4
v=/dev/mapper/vol
settle_volume vol
cooled() {
	[ "$(field vol nr_hot)" = 0 ]
}
echo 2 >/sys/module/dm_replica/parameters/idle_seconds
set_fault fault_fail_flush 1
ctl "while the origin can't be flushed, regions become hot" vol \
	"write $v 0 8 1" "write $v 8192 8 1" "write $v 16384 8 1" \
	"write $v 24576 8 1" "expect nr_hot=4"
ctl "  and where there is no room left, a write fails" vol \
	"fails EIO write $v 32768 8 1" "fails EIO write $v 40960 8 1" \
	"expect nr_hot=4 nr_dirty=4"
ctl "  hot regions go on" vol "write $v 8200 8 1" "expect nr_dirty=5"
check "  it is said" eval \
	"kernel_log | grep -q \"the origin can't be flushed: error -5\""
is "  of the metadata nothing is said" "$(kernel_log |
	grep -c 'only hot regions can be written')" 0
is "  nothing has cooled on disk" "$(dump vol hot)" 4
set_fault fault_fail_flush 0
check "when it can, regions cool" wait_until 60 cooled
ctl "  and others can be written" vol "write $v 32768 8 1" "expect nr_dirty=6"
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, the module can be unloaded under a device that uses it, or
# leaves a target, a family, a work queue or a slab behind when it goes.
# lab: kernels timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
slabs() {
	grep -c replica /proc/slabinfo
}
# A worker of the system is named after what it did last; the queues' own are not.
queues() {
	ps --ppid 2 -o comm= | grep -cE '^(kworker/R-)?dmr_'
}
is "no slab of its own at first" "$(slabs)" 0
check "its work queues can be seen" test "$(queues)" -ge 3
make_volume vol 16
v=/dev/mapper/vol
refuses "a device holds the module" "in use|busy|temporarily" rmmod dm-replica

ctl "copies, frozen chunks and an owner" vol <<EOF
attach
cut next
wait frozen
run dmsetup remove vol-dmr-view
write $v 0 64 1
expect nr_preserved=8
run dmsetup remove vol
EOF
check "removed with an epoch open" dmsetup remove vol-slow
refuses "no device is left" "" dmsetup table vol
check "the module goes" rmmod dm-replica
refuses "  its targets are gone" "." \
	bash -c 'dmsetup targets | grep replica || { echo none; false; }'
refuses "  its family is gone" "No such file" dmr-ctl /dev/vol-disk get
is "  no work queue is left" "$(queues)" 0
load_module
make_dm again "0 $(sectors_of /dev/vol-disk) replica /dev/vol-disk - 0"
ctl "loaded again, it works" again attach "cut next" "wait frozen" \
	"release all" "end commit"

# The view outlives its volume, and then has nothing to show.
make_view again /dev/vol-disk
check "a volume is removed under its view" dmsetup remove again
refuses "  the view gives errors" "Input/output error" \
	dd if=/dev/mapper/again-dmr-view of=/dev/null bs=4k count=1 iflag=direct
refuses "  and holds the module" "in use|busy|temporarily" rmmod dm-replica
check "  until it goes" dmsetup remove again-dmr-view
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# K7. A write of the ending epoch is under way to one sector of a chunk; a write
# of the next epoch to another sector must preserve the chunk with the first one
# in it. If this fails, the first write is missing from the epoch that it
# belongs to, and its bit is cleared.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view

ctl "the copy has the ending epoch's write, not the next one's" vol <<EOF
attach
write $v 0 8 1
write $v 1000 8 1
cut next
wait frozen
release all
end commit
$(hold_up vol writes)
start write $v 0 1 2
wait nr_dirty=1
cut next
start write $v 1 1 3
start write $v 2 6 3
start write $v 1000 8 4
sleep 100
expect state=2
running 100
$(let_go vol)
wait frozen
finish
read $view 0 1 2
read $view 1 7 1
release all
end commit
finish
finish
finish
expect nr_dirty=2
EOF
ctl "the others are in the next one" vol <<EOF
attach
cut next
wait frozen
read $view 0 1 2
read $view 1 7 3
read $view 1000 8 4
release all
end commit
expect nr_dirty=0
EOF
check_dmesg
finish

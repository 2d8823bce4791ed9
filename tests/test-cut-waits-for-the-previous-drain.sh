#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# K3. If this fails, a cut counts the wrong writes: one that is still under way
# from an aborted epoch is missed by the view, and its bit is cleared.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view

ctl "FROZEN comes after the writes of the epoch" vol <<EOF
attach
$(hold_up vol writes)
start write $v 0 8 1
wait nr_dirty=1
cut next
expect state=2
fails EAGAIN frozen
fails EAGAIN release 0
fails EAGAIN end commit
fails EIO read $view 0 8 1
running 200
expect state=2
$(let_go vol)
finish
wait frozen
read $view 0 8 1
release all
end commit
EOF

ctl "a cut is refused until an aborted epoch has drained" vol <<EOF
attach
$(hold_up vol writes)
start write $v 16 8 2
wait nr_dirty=1
cut next
end abort
expect state=4 epoch=0
fails EBUSY cut next
running 100
fails EBUSY cut next
$(let_go vol)
finish
wait state=1
cut next
wait frozen
read $view 16 8 2
release all
end commit
expect nr_dirty=0
EOF

ctl "a fuzzy cut drains too" vol <<EOF
attach
$(hold_up vol writes)
start write $v 32 8 3
wait nr_dirty=1
cut next fuzzy
expect state=2
running 100
fails EIO read $view 32 8 3
$(let_go vol)
finish
wait frozen
read $view 32 8 3
release all
end commit
expect nr_dirty=0
EOF
check_dmesg
finish

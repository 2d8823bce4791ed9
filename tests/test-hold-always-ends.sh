#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# K6. If this fails, a dead daemon leaves the application's writes blocked, or a
# suspend hangs on them.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view

ctl "writes wait, reads don't, and the deadline ends it" vol <<EOF
attach
hold 15000
expect dev_flags=5
start write $v 0 8 1
running 300
read $v 0 8 0
finish
expect dev_flags=1
EOF

ctl "it can be ended, and be set again" vol <<EOF
attach
hold 60000
hold 60000
start write $v 0 8 2
running 200
hold 0
finish
fails ERANGE hold 60001
expect dev_flags=1
EOF

ctl "a cut works meanwhile" vol <<EOF
attach
write $v 8 8 3
hold 60000
start write $v 8 8 4
running 200
cut next
wait frozen
running 100
read $view 8 8 3
release all
end commit
running 100
hold 0
finish
expect nr_dirty=1
EOF

ctl "its owner's socket ends it" vol "attach" "hold 60000"
ctl "then a write goes through" vol "wait dev_flags=1" \
	"start write $v 0 8 5" finish

ctl "a suspend ends it" vol <<EOF
attach
hold 60000
start write $v 0 8 6
running 200
run timeout 40 dmsetup suspend vol
run timeout 40 dmsetup resume vol
finish
read $v 0 8 6
expect dev_flags=1
EOF

check "the message holds too" dmsetup message vol 0 hold 60000
ctl "and its end by message" vol "expect dev_flags=5" \
	"start write $v 0 8 7" "running 200" "run dmsetup message vol 0 unhold" \
	finish
check_dmesg
finish

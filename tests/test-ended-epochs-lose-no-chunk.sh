#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, END forgets chunks that the target does not have (a write is
# lost for ever), or makes chunks dirty that it has.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
v=/dev/mapper/vol

ctl "a new volume is wholly dirty" vol "expect nr_dirty=4096 nr_frozen=0"
settle_volume vol

ctl "commit forgets the epoch, not what was written since the cut" vol <<EOF
attach
write $v 0 32 1
cut next
write $v 8 8 2
write $v 800 1 2
wait frozen
expect nr_frozen=4 nr_dirty=2
release all
end commit
expect nr_dirty=2 nr_frozen=0 nr_preserved=0
EOF

ctl "abort makes the whole epoch dirty again" vol <<EOF
attach
cut next
wait frozen
write $v 16 8 3
release 1
end abort
expect nr_dirty=3 nr_frozen=0
EOF

ctl "keep forgets what was released, and only that" vol <<EOF
attach
write $v 80 80 4
cut next
wait frozen
expect nr_frozen=13
release 10-14
write $v 80 8 5
end keep
expect nr_dirty=9 nr_keeps=1
EOF
is "what is dirty then" "$(dmr-ctl "$v" dirty)" \
	"# dirty: chunks=9: 1-2 10 15-19 100 ok"

ctl "MARK makes extents dirty, or all" vol "mark 200 202-203" \
	"expect nr_dirty=12" "fails EINVAL mark 4096" \
	"fails EINVAL mark 4090-4096" "expect nr_dirty=12" "mark 4095" \
	"expect nr_dirty=13" "mark all" "expect nr_dirty=4096"
check "and so does the message" dmsetup message vol 0 mark all

ctl "abort before FROZEN keeps the writes under way" vol <<EOF
attach
cut next
wait frozen
release all
end commit
$(hold_up vol writes)
start write $v 40 8 6
wait nr_dirty=1
cut next
end abort
expect nr_dirty=1
$(let_go vol)
finish
expect nr_dirty=1
EOF
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a command whose answer could not be allocated can't be said
# again, an event that is lost stops the loop, or a single failed read or write
# of the module's own does more than what its documentation says.
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_kept_volume vol 64 4 hot_regions 8
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view
settle_volume vol

lose="run echo 1 >/sys/module/dm_replica/parameters/fault_lose_reply"
keep="run echo 0 >/sys/module/dm_replica/parameters/fault_lose_reply"
ctl "CUT and RELEASE take effect without an answer, and can be said again" vol <<EOF
attach
write $v 0 16 1
$lose
fails ENOMEM cut 100
$keep
expect highest_seen=100 epoch=100 nr_cuts=2
cut 100
expect nr_cuts=2
wait frozen
$lose
fails ENOMEM release 0
$keep
expect nr_held=1
release 0
expect nr_held=1
release all
end commit
expect last_committed=100 nr_commits=2 nr_dirty=0
EOF

set_fault fault_lose_event 1
ctl "an epoch needs no event" vol <<EOF
attach
write $v 0 8 2
cut next
noevent frozen
wait frozen
release all
end commit
expect nr_dirty=0
EOF
set_fault fault_lose_event 0

set_fault fault_fail_copy 1
ctl "old content that can't be read costs a clean epoch, not the write" vol <<EOF
attach
write $v 0 8 3
cut next
wait frozen
write $v 0 8 4
expect epoch_flags=1 nr_degraded=1
read $v 0 8 4
release all
end commit
expect nr_dirty=1
EOF
set_fault fault_fail_copy 0

set_fault fault_fail_intent 1
ctl "a write whose intent fails is refused, a hot region goes on" vol <<EOF
fails EIO write $v 16384 8 1
write $v 0 8 5
expect nr_dirty=1
EOF
set_fault fault_fail_intent 0
ctl "  the next one is taken" vol "write $v 16384 8 1" "expect nr_dirty=2"

set_fault fault_fail_super 1
ctl "a setting whose superblock fails is not durable" vol attach \
	"set generation=77"
check "  GET says so" flag vol 32
set_fault fault_fail_super 0
check "  it is tried again" wait_until 60 is_kept vol
is "  and is on disk" "$(dump vol generation)" "$(printf %016x 77)"
check_dmesg
finish

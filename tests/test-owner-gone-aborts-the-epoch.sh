#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a killed daemon leaves its epoch open for ever (chunks held,
# no cut possible), or another process can end it.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
make_volume other 16
settle_volume vol
settle_volume other
v=/dev/mapper/vol

# dmr-ctl COMMAND... runs in a socket of its own.
ctl "a closed socket aborts the epoch, and says DETACHED" vol <<EOF
noevent detached 1
run dmr-ctl $v attach 'write $v 0 8 1' 'cut next' 'wait frozen' 'write $v 0 8 2'
event detached
wait epoch=0
expect owner=0 nr_aborts=1 nr_dirty=1 nr_frozen=0 nr_preserved=0
EOF

dmr-ctl $v attach 'write /dev/mapper/vol 8 8 1' 'cut next' 'sleep 60000' \
	>"$scratch_dir/victim" &
victim=$!
cleanup_fn kill -9 $victim
wait_until 60 dmr-ctl $v "expect epoch!=0" || bail "no epoch"
ctl "nobody else may touch it" vol <<EOF
fails EBUSY attach
fails EPERM join 5
fails EPERM cut next
fails EPERM release 0
fails EPERM end abort
fails EPERM end commit
fails EPERM set generation=1
expect epoch!=0 nr_aborts=1
mark 3
EOF
kill -9 $victim
ctl "killed, it is the same as closed" vol "wait epoch=0" \
	"expect owner=0 nr_aborts=2" "attach" "cut next" "wait frozen" \
	"expect nr_frozen=3" "release all" "end commit"

ctl "a group's epoch ends with it for all members" other <<EOF
run dmr-ctl $v attach 'join 9' 'dev /dev/mapper/other' attach 'join 9' 'write /dev/mapper/other 0 8 1' 'cut next' 'expect epoch!=0'
wait epoch=0
expect owner=0 group=9 members=2 nr_aborts=1
EOF
ctl "the owner may attach again, and keeps its epoch" vol <<EOF
attach
dev /dev/mapper/other
attach
cut next
attach
expect epoch!=0
wait frozen
release all
end commit
EOF
ctl "DETACH lets one device go, again and again" vol <<EOF
attach
join 0
write $v 0 8 1
cut next
wait frozen
run dmr-ctl $v 'fails EPERM detach'
run dmr-ctl /dev/mapper/other attach 'hold 30000' detach 'expect owner=0'
detach
expect owner=0 epoch=0 nr_frozen=0
detach
run dmr-ctl $v attach 'expect owner!=0'
fails EPERM cut next
EOF
check_dmesg
finish

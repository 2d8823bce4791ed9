#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# K5. A copy is being read while its chunk is released, its epoch ended, the next
# one cut. If this fails, the copy of the old epoch turns up in the new one, or
# the write that waits for it hangs or is lost.
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view
p=/sys/module/dm_replica/parameters

# The write waits for its copy, which is held up at the disk.
begin_copy() {
	cat <<EOF
attach
write $v 0 8 $1
cut next
wait frozen
$(hold_up vol reads)
start write $v 0 2 $2
wait nr_dirty=1
running ${3:-200}
EOF
}

ctl "released meanwhile, committed, and cut again" vol < <(begin_copy 1 2; cat <<EOF
release all
end commit
cut next
finish
wait frozen
expect nr_preserved=0
$(let_go vol)
read $view 0 2 2
read $view 2 6 1
release all
end commit
expect nr_dirty=0
EOF
)
ctl "aborted meanwhile, and cut again" vol < <(begin_copy 3 4; cat <<EOF
end abort
cut next
finish
wait frozen
$(let_go vol)
read $view 0 2 4
read $view 2 6 3
release all
end commit
expect nr_dirty=0 nr_preserved=0
EOF
)
ctl "the old copy comes when the new epoch has one, too" vol \
	< <(begin_copy 5 6; cat <<EOF
release all
end commit
cut next
finish
wait frozen
start write $v 4 1 7
running 200
$(let_go vol)
finish
read $view 0 2 6
read $view 2 6 5
expect nr_preserved=1
release all
end commit
EOF
)
for fault in preserve copied; do
	set_fault fault_${fault}_us 60000000
	ctl "released in the window of fault_${fault}_us" vol <<EOF
attach
write $v 0 8 8
cut next
wait frozen
start write $v 0 2 9
wait nr_dirty=1
release all
end commit
cut next
put $p/fault_${fault}_us 0
finish
wait frozen
read $view 0 2 9
read $view 2 6 8
release all
end commit
EOF
done
ctl "all is quiet then" vol "wait nr_preserved=0" "expect nr_frozen=0 nr_dirty=0"
check_dmesg
finish

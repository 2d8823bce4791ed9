#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# K1. A write meets a held chunk and waits; meanwhile the chunk is released, the
# epoch ends, and the next cut freezes the chunk with that write owed to it. If
# this fails, the write wakes, takes the new epoch for the one that it has to
# preserve, and is lost at the replica.
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view
wake=/sys/module/dm_replica/parameters/fault_wake_us

# The write is classified in epoch n+1, and looks again in epoch n+2.
race() {
	cat <<EOF
attach
write $v 0 8 1
cut next
wait frozen
put $wake 60000000
start write $v 0 2 2
wait nr_dirty=1
release all
end ${1:-commit}
cut next
expect state=2
put $wake 0
EOF
}

ctl "the write is in the epoch that it belongs to" vol < <(race; cat <<EOF
finish
wait frozen
read $view 0 2 2
read $view 2 6 1
expect nr_preserved=0 nr_copies=0
release all
end commit
expect nr_dirty=0
read $v 0 2 2
EOF
)
ctl "so it is when the epoch was aborted instead" vol < <(race abort; cat <<EOF
finish
wait frozen
read $view 0 2 2
release all
end commit
expect nr_dirty=0 nr_copies=0
EOF
)
set_fault fault_no_own 1
ctl "without the rule it would wait for itself" vol < <(race; cat <<EOF
fails ETIMEDOUT finish 5000
expect state=2
end abort
finish
EOF
)
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# K4. If this fails, a reconnect that reads a chunk twice in one clean epoch gets
# what was written after its release, and commits it as the state at the cut.
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view

story() {
	cat <<EOF
attach
write $v 0 32 1
cut next
wait frozen
read $view 0 32 1
release 1-2
write $v 8 16 2
$1 $view 8 8 1
$1 $view 0 32 1
$1 $view 16 1 1
read $view 0 8 1
read $view 24 8 1
release 0 3
$1 $view 0 8 1
EOF
}

ctl "a released chunk gives an error, its neighbours don't" vol \
	< <(story "fails EIO read"; echo "end commit")
ctl "abort, and the next epoch has it again" vol <<EOF
attach
write $v 0 8 3
cut next
wait frozen
release 0
fails EIO read $view 0 8 3
end abort
cut next
wait frozen
read $view 0 8 3
release all
end commit
EOF
set_fault fault_no_once 1
ctl "without the rule the test would have seen it" vol <<EOF
attach
write $v 0 8 4
cut next
wait frozen
release 0
write $v 0 8 5
fails EILSEQ read $view 0 8 4
end commit
EOF
check_dmesg
finish

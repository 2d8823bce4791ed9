#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, the bits of a discard are cleared on disk while it is under way:
# a crash then forgets it (C4 in kmod/cool.c).
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_kept_volume vol 64 4
v=/dev/mapper/vol
settle_volume vol
is_empty() {
	[ "$(dump vol dirty)" = 0 ]
}
check "nothing is dirty on disk" wait_until 60 is_empty

# A discard of region 3 has set its bits on disk and waits at the gate, not yet
# in the sets; a mark there makes the cooler rewrite the region meanwhile.
# discard_under_way: how many bits are on disk at its end
discard_under_way() {
	ctl "a discard waits at the gate" vol <<EOF
run dmsetup message vol 0 hold 30000
start discard $v 24576 8192
running 700
mark 3072
wait dev_flags=4
run dmsetup message vol 0 unhold
finish
EOF
	bits=$(dump vol dirty)
}
discard_under_way
is "  its bits stay on disk" "$bits" 1024
settle_volume vol
check "  until it is committed" wait_until 60 is_empty

set_fault fault_no_spare 1
discard_under_way
set_fault fault_no_spare 0
is "without the rule they would not (only the marked one is there)" "$bits" 1
check_dmesg
finish

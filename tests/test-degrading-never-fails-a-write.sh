#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, replication costs the application a write (P2): it fails, or
# waits, because there is no memory to preserve what it overwrites. Or an epoch
# that could not be preserved passes for clean.
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_volume vol 16 preserve_pages 2
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view

ctl "the copy that does not fit makes the epoch fuzzy" vol <<EOF
attach
write $v 0 64 1
cut next
wait frozen
write $v 0 16 2
expect nr_preserved=2 epoch_flags=0
release 7
start write $v 16 8 2
finish
event degraded
expect nr_preserved=0 epoch_flags=1 nr_degraded=1
read $view 0 16 2
release all
end commit
expect nr_dirty=3
EOF

ctl "the last release decides: after it nothing degrades" vol <<EOF
attach
write $v 0 64 3
cut next
wait frozen
release all
write $v 0 64 4
expect epoch_flags=0 nr_degraded=1 nr_held=0
end commit
EOF

ctl "a released chunk makes room" vol <<EOF
attach
cut next
wait frozen
write $v 0 16 5
read $view 0 16 4
release 0-1
write $v 16 16 6
expect epoch_flags=0 nr_preserved=2
read $view 16 16 4
release all
end commit
EOF

set_fault fault_no_mem 1
ctl "no memory is as a full pool" vol <<EOF
attach
cut next
wait frozen
start write $v 0 8 7
finish
expect epoch_flags=1 nr_degraded=2
release all
end commit
EOF
set_fault fault_no_mem 0

make_volume none 16 preserve_pages 0
settle_volume none
ctl "without a pool every overwrite degrades" none <<EOF
attach
write /dev/mapper/none 0 8 1
cut next
wait frozen
write /dev/mapper/none 8 8 1
expect epoch_flags=0
write /dev/mapper/none 0 8 2
expect epoch_flags=1
EOF
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, the replica gets data from after the cut, or something other
# than the frozen chunks: what it commits is no image of the volume.
# lab: kernels timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view

ctl "frozen chunks read as they were at the cut" vol <<EOF
attach
write $v 0 64 17
cut next
write $v 8 8 18
write $v 3 1 18
wait frozen
write $v 20 2 18
read $view 0 64 17
read $view 8 8 17
read $view 21 1 17
read $v 8 8 18
read $v 3 1 18
read $v 4 4 17
expect nr_preserved=3 nr_copies=3
release all
expect nr_preserved=0
end commit
expect nr_dirty=3
EOF

ctl "several writes to a held chunk preserve it once" vol <<EOF
attach
write $v 128 8 20
cut next
wait frozen
write $v 128 1 21
write $v 130 4 22
write $v 128 8 23
expect nr_copies=4
read $view 128 8 20
release all
end commit
EOF

ctl "any other read is an error, and a write too" vol <<EOF
fails EIO read $view 0 8 0
attach
write $v 0 8 30
write $v 16 8 30
cut next
wait frozen
read $view 0 8 30
fails EIO read $view 8 8 0
fails EIO read $view 0 16 30
fails EIO read $view 0 24 30
fails EIO read $view 4000 8 0
release 0
fails EIO read $view 0 8 30
read $view 16 8 30
fails EPERM write $view 16 8 31
release all
end commit
fails EIO read $view 16 8 30
EOF

ctl "in a fuzzy epoch it shows what is there now" vol <<EOF
attach
write $v 0 8 40
cut next fuzzy
wait frozen
write $v 0 8 41
read $view 0 8 41
release 0
read $view 0 8 41
expect epoch_flags=1 nr_preserved=0 nr_dirty=1
end commit
expect nr_dirty=1
EOF
check_dmesg
finish

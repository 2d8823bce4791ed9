#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a daemon whose answer was lost can't say its command again: it
# would end an epoch twice, count chunks twice, or end another epoch.
# lab: kernels timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol

ctl "CUT, RELEASE and END take effect once, however often they are said" vol <<EOF
attach
write $v 0 8 1
write $v 64 16 2
cut 100
cut 100
expect nr_cuts=2 highest_seen=100
wait frozen
release 0
expect nr_held=2
release 0 8
release 0 8
expect nr_held=1
release all
release all
expect nr_held=0
end commit
end commit
expect nr_commits=2 last_committed=100
EOF

ctl "a command about another epoch is refused and changes nothing" vol <<EOF
attach
write $v 0 8 3
cut 101
wait frozen
epoch 100
fails ESTALE end commit
fails ESTALE end abort
fails ESTALE release 0
fails ESTALE frozen
epoch 102
fails ESTALE end commit
fails ESTALE release 0
expect epoch=101 nr_frozen=1 nr_held=1
epoch 101
release all
end commit
fails ESTALE end abort
fails ESTALE end keep
fails ESTALE release 0
fails ESTALE frozen
expect nr_commits=3 nr_aborts=0 nr_keeps=0
EOF

ctl "commit is refused while a chunk was not released" vol <<EOF
attach
write $v 0 16 4
cut 103
wait frozen
fails EBUSY end commit
release 0
fails EBUSY end commit
fails EINVAL release 5
fails EINVAL release 0-5
expect nr_held=1
release 1
end commit
EOF
check_dmesg
finish

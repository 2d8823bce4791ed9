#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, an epoch can begin with other members than it ends with, or a
# member is cut twice or not at all.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
for v in a b c; do
	make_volume $v 16
	settle_volume $v
done
a=/dev/mapper/a b=/dev/mapper/b c=/dev/mapper/c

ctl "one cut freezes all members, one END ends them" a <<EOF
attach
join 7
dev $b
attach
join 7
expect group=7 members=2
write $a 0 8 1
write $b 8 16 1
cut 50
dev $a
expect epoch=50
wait frozen
expect nr_frozen=1
dev $b
wait frozen
expect nr_frozen=2
release all
fails EBUSY end commit
dev $a
release all
end commit
expect epoch=0 last_committed=50
dev $b
expect epoch=0 last_committed=50
EOF

ctl "no member comes or goes while an epoch is open" a <<EOF
attach
dev $b
attach
dev $c
attach
dev $a
cut 60
fails EBUSY join 0
fails EBUSY join 8
dev $c
fails EBUSY join 7
expect group=0 members=1 epoch=0
dev $a
end abort
wait state=1
dev $c
join 7
expect members=3 highest_seen>=1
EOF

ctl "a number must be above what every member has seen" a <<EOF
attach
dev $c
attach
dev $b
attach
join 0
cut 99
wait frozen
end abort
join 7
dev $a
fails ERANGE cut 99
cut 100
dev $c
expect epoch=100
EOF

check "a member that is removed leaves the others working" \
	dmsetup remove c-dmr-view
check "and its device goes" dmsetup remove c
ctl "the rest is cut" a <<EOF
wait epoch=0
attach
dev $b
attach
expect members=2
write $b 0 8 3
cut next
wait frozen
release all
dev $b
wait frozen
release all
end commit
expect nr_dirty=0
EOF
check_dmesg
finish

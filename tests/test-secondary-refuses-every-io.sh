#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a site that is not the primary can be written to, or read in a
# state that is no image; or a primary forgets what it wrote.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
make_null second 16 cache_size=1	# else nobody flushes
make_replica sec /dev/second role secondary
settle_volume vol
v=/dev/mapper/vol

ctl "a device that begins as secondary" sec "expect role=2" \
	"fails EIO read /dev/mapper/sec 0 8 0" \
	"fails EIO write /dev/mapper/sec 0 8 1" \
	"fails EIO flush /dev/mapper/sec"
ctl "a primary does not forget" vol <<EOF
attach
write $v 0 8 1
fails EPERM forget 5 1
expect nr_dirty=1 role=1
EOF
ctl "it becomes a secondary, but not within an epoch" vol <<EOF
attach
cut next
fails EBUSY set role=2
end abort
wait state=1
set role=2 generation=99
expect role=2 generation=99 nr_dirty=1
fails EIO write $v 8 8 1
fails EIO read $v 0 8 1
fails EIO discard $v 0 8
expect nr_dirty=1
EOF
ctl "then it may forget, for a generation and an epoch" vol <<EOF
attach
forget 100 5000
expect nr_dirty=0 generation=100 highest_seen=5000 last_committed=5000
set role=1
write $v 8 8 2
expect nr_dirty=1
fails ERANGE cut 5000
cut 5001
EOF
ctl "LAST_COMMITTED is never above what was cut" vol "wait state=1" attach \
	"fails ERANGE set last_committed=6000" "set last_committed=5001" \
	"expect last_committed=5001"
ctl "a primary may be read only" vol <<EOF
wait state=1
attach
set role=3
expect role=3
read $v 0 8 1
flush $v
fails EIO write $v 16 8 1
fails EIO discard $v 16 8
expect nr_dirty=1
set role=1
write $v 16 8 3
expect nr_dirty=2
fails EINVAL set role=4
set role=3
EOF
is "which the status says" "$(dmsetup status vol | awk '{ print $4 }')" readonly
reload_table() {
	dmsetup reload vol --table "$(dmsetup table vol)" && dmsetup resume vol
}
check "it stays so over a reload" reload_table
ctl "  as it was" vol "expect role=3" attach "fails EIO write $v 16 8 3"
check_dmesg
finish

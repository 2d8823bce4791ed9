#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, replication can't be started on a volume that is in use: the
# view can't be made, or a view keeps the volume from being mounted, suspended
# or removed.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_null disk0 64
make_replica vol /dev/disk0
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view
check "a filesystem" mkfs.ext4 -q $v
mkdir -p "$scratch_dir/mnt"
check "  is mounted" mount $v "$scratch_dir/mnt"
cleanup_fn umount "$scratch_dir/mnt"
make_view vol /dev/disk0
pass "  and a view is made"
check "two views are one too many, or work" bash -c \
	"dmsetup create -r second --table '0 131072 replica-view /dev/disk0' &&
	dmsetup remove second"
settle_volume vol

# The volume is suspended while the view reads it.
check "files are written" bash -c \
	"cp -r /etc/ssl '$scratch_dir/mnt/' && sync -f '$scratch_dir/mnt'"
ctl "the view is read while the volume is suspended" vol <<EOF
attach
cut next
wait frozen
run dmsetup suspend vol
run timeout 100 dd if=$view of=/dev/null bs=1k skip=1 count=1 iflag=direct
release all
end commit
run dmsetup resume vol
run sync -f $scratch_dir/mnt
EOF
check "unmounted" umount "$scratch_dir/mnt"
check "a view does not keep the volume from being mounted" \
	mount $v "$scratch_dir/mnt"
check "  nor from being unmounted" umount "$scratch_dir/mnt"
check "the filesystem is whole" e2fsck -fn $v
check "nor from being removed" dmsetup remove vol
check_dmesg
finish

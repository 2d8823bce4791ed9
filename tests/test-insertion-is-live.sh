#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, putting replication below a mounted filesystem, or taking it
# out again, would disturb or damage what is being written there.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
requires_cmd mkfs.ext4 e2fsck
load_module
make_null disk0 256
make_dm vol "0 262144 linear /dev/disk0 0
262144 $(($(sectors_of /dev/disk0) - 262144)) linear /dev/disk0 262144"
cleanup_fn insert-tool take-out vol
mkfs.ext4 -q -F /dev/mapper/vol
mkdir "$scratch_dir/mnt"
mount /dev/mapper/vol "$scratch_dir/mnt" || bail "no mount"
cleanup_fn umount "$scratch_dir/mnt"
dmsetup table vol >"$scratch_dir/before"

# Appends numbered, synced lines until it is told to stop.
writer() {
	local n=0
	while [ ! -e "$scratch_dir/stop" ]; do
		n=$((n + 1))
		echo "line $n" >>"$scratch_dir/mnt/log" || return 1
		dd if=/dev/urandom of="$scratch_dir/mnt/f$((n % 20))" bs=64k \
			count=4 conv=fsync 2>/dev/null || return 1
	done
	echo $n >"$scratch_dir/wrote"
}
: >"$scratch_dir/mnt/log"
writer & writer_pid=$!
stop_writer() {
	touch "$scratch_dir/stop"
	wait $writer_pid
}
cleanup_fn stop_writer

written() {
	wc -l <"$scratch_dir/mnt/log"
}
has_written() {
	[ "$(written)" -gt "$1" ]
}
goes_on() {
	wait_until 60 has_written "$(written)"
}

goes_on || bail "the writer does not write"
for i in 1 2 3 4 5; do
	check "insertion $i" insert-tool insert vol "2 preserve_pages 64"
	check "the writer goes on" goes_on
	is "form" "$(insert-tool form vol)" inserted
	check "writes are tracked" test "$(status_of vol dirty)" -gt 0
	check "taking out $i" insert-tool take-out vol
	check "the writer goes on" goes_on
	is "form" "$(insert-tool form vol)" plain
done
is "the table is as before" "$(dmsetup table vol)" "$(cat "$scratch_dir/before")"
check "nothing hidden is left" bash -c "! dmsetup ls | grep -q dmr"

check "insertion with a view" insert-tool insert vol
check "a view" insert-tool view vol
is "is read-only" "$(blockdev --getro /dev/mapper/vol-dmr-view)" 1
check "insertion again does nothing" insert-tool insert vol
exec 9</dev/mapper/vol-dmr-view
refuses "an open view stops taking out" "in use" insert-tool take-out vol
exec 9<&-
check "the writer goes on" goes_on
check "closed, it goes" insert-tool take-out vol

stop_writer
check "the writer had no error" test -s "$scratch_dir/wrote"
is "every line is there" "$(written)" "$(cat "$scratch_dir/wrote")"
umount "$scratch_dir/mnt"
check "the filesystem is clean" e2fsck -fn /dev/mapper/vol
check_dmesg
finish

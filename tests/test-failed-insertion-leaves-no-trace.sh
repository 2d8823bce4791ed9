#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, an insertion that goes wrong half way would leave a volume in
# use suspended, with another table, or with a hidden device that stays.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
load_module
make_null disk0 64
make_dm vol "0 $(sectors_of /dev/disk0) linear /dev/disk0 0"
cleanup_fn insert-tool take-out vol
table=$(dmsetup table vol)

can_write() {
	timeout 60 dd if=/dev/zero of=/dev/mapper/vol bs=4k count=1 \
		oflag=direct conv=notrunc
}

# is_as_before WHEN
is_as_before() {
	is "$1: runs, plain" "$(insert-tool form vol)" plain
	is "$1: the same table" "$(dmsetup table vol)" "$table"
	is "$1: no second one" "$(dmsetup info -c --noheadings -o tables_loaded \
		vol)" Live
	check "$1: nothing hidden" bash -c "! dmsetup ls | grep -q dmr"
	check "$1: takes writes" can_write
}

for how in "" :suspended; do
	for n in 1 2 3 4 5 6; do
		status=0
		insert-tool --fail "$n$how" insert vol 2>"$scratch_dir/why" ||
			status=$?
		[ $status != 3 ] || break
		is "insert, step $n$how: fails" $status 1
		check "it says why: $(cat "$scratch_dir/why")" \
			test -s "$scratch_dir/why"
		is_as_before "insert, step $n$how"
	done
	insert-tool take-out vol
	check "there were steps" test "$n" -gt 3
	for n in 1 2 3 4 5 6; do
		insert-tool insert vol || bail "no insertion"
		status=0
		insert-tool --fail "$n$how" take-out vol \
			2>"$scratch_dir/why" || status=$?
		[ $status != 3 ] || break
		is "take out, step $n$how: fails" $status 1
		check "it says why: $(cat "$scratch_dir/why")" \
			test -s "$scratch_dir/why"
		check "takes writes" can_write
		check "then it works" insert-tool take-out vol
		is_as_before "take out, step $n$how"
	done
	check "there were steps" test "$n" -gt 3
done

refuses "bad options: the kernel's reason is told" "Unknown option" \
	insert-tool insert vol "2 preserve_cages 4"
is_as_before "bad options"
refuses "no such volume" "no device nothing" insert-tool insert nothing
make_dm snap "0 2048 linear /dev/disk0 0
2048 2048 snapshot-origin /dev/disk0"
refuses "targets with a state of their own" "snapshot-origin" \
	insert-tool insert snap
make_dm ro "0 2048 linear /dev/disk0 0"
dmsetup suspend ro
refuses "a suspended volume" "suspended" insert-tool insert ro
dmsetup resume ro
dmsetup create vol-dmr-origin --notable
refuses "a hidden device of somebody else" "not ours" insert-tool insert vol
dmsetup remove vol-dmr-origin
is_as_before "after all"
check_dmesg
finish

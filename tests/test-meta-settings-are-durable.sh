#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a role, a generation or a mark that was acknowledged is gone
# after a crash: both sites believe that they hold the truth, or a suspect chunk
# is never compared.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_kept_volume vol 64 4
v=/dev/mapper/vol
settle_volume vol
old=$(field vol generation)
wait_kept() {
	check "  it is durable soon" wait_until 15 is_kept vol
}

# with_damage SLOT FIELD: what is left if that superblock is damaged (S7)
with_damage() {
	dd if=/dev/vol-meta of="$scratch_dir/copy" bs=1M iflag=direct status=none
	printf X | dd of="$scratch_dir/copy" bs=1 seek=$(($1 * 4096 + 300)) \
		conv=notrunc status=none
	replica-dump "$scratch_dir/copy" | awk -v f="$2" '
		$1 == "bad_slots" { bad = $2 }
		$1 == f && !n++ { value = $2 }
		END { print bad, value }'
}
check_damage() {
	is "  and stays if the first superblock rots" \
		"$(with_damage 0 "$1")" "1 $2"
	is "  or the second" "$(with_damage 1 "$1")" "1 $2"
}

ctl "a generation" vol attach "set generation=77 last_committed=1"
wait_kept
is "  is on disk" "$(dump vol generation)" "$(printf %016x 77)"
check_damage generation "$(printf %016x 77)"
is "  with its ancestor" "$(dump vol ancestor)" \
	"$(printf %016x "$old") ended 1"
ctl "marked chunks" vol "mark 5 9000-9001"
wait_kept
is "  are on disk" "$(dump vol dirty)" 3
ctl "a role" vol attach "set role=2"
wait_kept
is "  is on disk" "$(dump vol role)" secondary
check_damage role secondary
ctl "  and refuses all I/O" vol "fails EIO read $v 0 8 0" \
	"fails EIO write $v 0 8 1"
check "it retires" retire_kept vol
check "  and comes up as what it was" start_kept vol
ctl "  a secondary" vol "expect role=2 generation=77 nr_dirty=3" \
	"fails EIO read $v 0 8 0"
ctl "FORGET" vol attach "forget 78 5" "expect nr_dirty=0"
wait_kept
is "  is on disk" "$(dump vol generation)" "$(printf %016x 78)"
is_empty() {
	[ "$(dump vol dirty)" = 0 ] && [ "$(dump vol last_committed)" = 5 ]
}
check "  with its bits" wait_until 15 is_empty
ctl "it is promoted" vol attach "set role=1 generation=79"
wait_kept
ctl "  and can be written" vol "write $v 0 8 1"
is "it has three ancestors" \
	"$(dump_all vol | grep -c ancestor)" 3

check "a reload with the same table" dmsetup reload vol --table \
	"$(meta_table vol)"
check "  is resumed" dmsetup resume vol
ctl "  and changes nothing" vol "expect role=1 generation=79 nr_dirty=1"
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a role, a generation or a mark that was acknowledged is gone
# after a crash: both sites believe that they hold the truth, or a suspect chunk
# is never compared.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
requires_cmd jq
make_kept_volume vol 64 4
v=/dev/mapper/vol
settle_volume vol
old=$(field vol generation)
wait_kept() {
	check "  it is durable soon" wait_until 60 is_kept vol
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
check "  with its bits" wait_until 60 is_empty
ctl "it is promoted" vol attach "set role=1 generation=79"
wait_kept
ctl "  and can be written" vol "write $v 0 8 1"
ancestors() {
	dump_all vol | awk '$1 == "ancestor" { print $2, $4 }' | paste -sd,
}
told() {
	replicactl kernel status vol --json | jq -r '[.ancestors[] |
		.generation + " " + (.end_epoch | tostring)] | join(",")'
}
hex() {
	printf %016x "$1"
}
is "it has three ancestors" "$(ancestors)" \
	"$(hex 78) 5,$(hex 77) 1,$(hex "$old") 1"
ctl "a list of ancestors" vol attach "set ancestors=1000:44,999:33"
wait_kept
is "  replaces them on disk" "$(ancestors)" "$(hex 1000) 44,$(hex 999) 33"
check_damage ancestor "$(hex 1000)"
is "  and is told" "$(told)" "$(ancestors)"
ctl "a list that comes with a generation" vol attach \
	"set generation=80 ancestors=79:5"
wait_kept
is "  is the whole list" "$(ancestors)" "$(hex 79) 5"
ctl "half an ancestor, too many" vol attach \
	"fails EINVAL set ancestors=5" "fails EINVAL set ancestors=5:6,7" \
	"fails ERANGE set ancestors=$(seq -s, -f %g:1 65)"
ctl "  are refused, nothing changes" vol "expect generation=80"
is "  also not in the list" "$(told)" "$(hex 79) 5"
ctl "as many as there may be" vol attach \
	"set ancestors=$(seq -s, -f %g:1 64)"
wait_kept
is "  are all on disk" "$(ancestors | tr , '\n' | sha256sum)" \
	"$(for ((i = 1; i <= 64; i++)); do echo "$(hex $i) 1"; done |
		sha256sum)"
ctl "none" vol attach "set ancestors="
wait_kept
is "  leaves none" "$(ancestors)" ""
ctl "the last one" vol attach "set ancestors=123:4"
wait_kept
check "it retires" retire_kept vol
check "  comes up" start_kept vol
is "  with it" "$(told)" "$(hex 123) 4"
make_plain_volume plain 4
ctl "a volume without metadata has none" plain attach \
	"fails EOPNOTSUPP set ancestors=1:1"

check "a reload with the same table" dmsetup reload vol --table \
	"$(meta_table vol)"
check "  is resumed" dmsetup resume vol
ctl "  and changes nothing" vol "expect role=1 generation=80 nr_dirty=1"
check_dmesg
finish

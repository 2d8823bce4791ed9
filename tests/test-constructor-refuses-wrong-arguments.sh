#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a wrong table line is taken, or refused without a word, or the
# refusal leaves a device or a claim behind.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_null disk0 16
make_null small 4
size=$(sectors_of /dev/disk0)
all="0 $size replica /dev/disk0 -"
# The kernel must not drop our marks.
devkmsg=/proc/sys/kernel/printk_devkmsg
cleanup_fn bash -c "echo $(cat $devkmsg) >$devkmsg"
echo on >$devkmsg

# bad REGEX TABLE: to be refused with these words in the kernel log
regexes=()
tables=()
bad() {
	echo "case ${#tables[@]} of $test_name" >/dev/kmsg
	regexes+=("$1")
	shift
	tables+=("$*")
	if command dmsetup create bad <<<"$*" 2>/dev/null; then
		fail "'$*' was taken"
		dm_remove bad
	fi
}

# What each of them got to hear.
judge() {
	local line i said=() now=
	while read -r line; do
		if [[ $line =~ case\ ([0-9]+)\ of\ $test_name ]]; then
			now=${BASH_REMATCH[1]}
		elif [ -n "$now" ]; then
			said[now]+=$line$'\n'
		fi
	done < <(kernel_log)
	for i in "${!tables[@]}"; do
		if [[ ${said[i],,} =~ ${regexes[i]} ]]; then
			pass "'${tables[i]}': ${regexes[i]}"
		else
			fail "'${tables[i]}': ${regexes[i]}"
			note "${said[i]}"
		fi
	done
}

bad "needs" 0 $size replica
bad "needs" 0 $size replica /dev/disk0
bad "open the origin" 0 $size replica /dev/nowhere - 0
bad "open the origin" 0 $size replica /dev/zero - 0
bad "smaller" 0 $((size + 8)) replica /dev/disk0 - 0
bad "smaller" 0 $size replica /dev/small - 0
bad "open the metadata" 0 $size replica /dev/disk0 /dev/nowhere 0
bad "is the origin" 0 $size replica /dev/disk0 /dev/disk0 0
bad "needs" $all
for o in 1 x "2 chunk_size" "1 chunk_size" "0 chunk_size 8" \
	"2 chunk_size 8 more" "2 colour blue" "12 a 1 b 2 c 3 d 4 e 5 f 6"; do
	bad "option" $all $o
done
for n in 0 1 4 7 9 12 4096 -8 8x 99999999999; do
	bad "chunk_size" $all 2 chunk_size $n
done
for n in 0 256 1000 134217728 x; do
	bad "region_size" $all 2 region_size $n
done
bad "region must have" $all 4 chunk_size 2048 region_size 512
bad "hot_regions" $all 2 hot_regions 0
bad "preserve_pages" $all 2 preserve_pages -1
bad "preserve_pages" $all 2 preserve_pages 99999999
bad "role" $all 2 role master
bad "alone" "0 8192 replica /dev/disk0 - 0
8192 8192 linear /dev/small 0"
bad "needs" 0 $size replica-view
bad "needs" 0 $size replica-view /dev/disk0 1
bad "read-only" 0 $size replica-view /dev/disk0
make_replica vol /dev/disk0
bad "busy|in use|uses" 0 $size replica /dev/disk0 - 0
judge

refuses "a view without its volume" "" dmsetup create -r bad --table \
	"0 8192 replica-view /dev/small"
refuses "a view of another size" "" dmsetup create -r bad --table \
	"0 $((size - 8)) replica-view /dev/disk0"
refuses "a view of the replica device itself" "" dmsetup create -r bad \
	--table "0 $size replica-view /dev/mapper/vol"
is "the table without options" "$(dmsetup table vol | cut -d' ' -f1-3,5-)" \
	"0 $size replica - 0"
dm_remove vol
make_replica vol /dev/disk0 chunk_size 16 region_size 4096 preserve_pages 0 \
	role secondary
words() {
	tr ' ' '\n' <<<"$1" | sort | tr '\n' ' '
}
is "the table with options" "$(words "$(dmsetup table vol | cut -d' ' -f5-)")" \
	"$(words "- 8 chunk_size 16 region_size 4096 preserve_pages 0 role secondary")"
dm_remove vol
check "the disk is free" dmsetup create free --table \
	"0 $size linear /dev/disk0 0"
dmsetup remove free
check_dmesg
finish

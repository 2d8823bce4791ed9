#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a shutdown loses what is still to be shipped, or who the volume
# is; or two loads can't be told apart (D6).
# lab: kernels timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_kept_volume vol 64 4
v=/dev/mapper/vol

ctl "a new volume is wholly dirty, not suspect" vol \
	"expect nr_dirty=16384 dev_flags=0 loads=1 nr_hot=0"
is "the first incarnation is durable before a cut (D6)" \
	"$(dump vol incarnation)" "$(printf %016x "$(field vol incarnation)")"
is "  and no region is hot on disk" "$(dump vol hot)" 0
is "  nothing is damaged" "$(dump vol bad_sectors)" 0
settle_volume vol
ctl "chunks are written" vol "write $v 80 8 1" "write $v 40000 16 2" \
	"expect nr_dirty=3 nr_hot=2"
generation=$(field vol generation) first=$(field vol incarnation)
id=$(dump vol volume_id)
check "retire" retire_kept vol
is "the superblock says so" "$(dump vol flags)" clean
is "  no region is hot" "$(dump vol hot)" 0
is "  the bits are exact" "$(dump vol dirty)" 3

check "it comes up again" start_kept vol
ctl "  with what was dirty, and its past" vol \
	"expect nr_dirty=3 nr_hot=0 generation=$generation loads=2" \
	"expect last_committed=1 highest_seen=1 dev_flags=0"
is "  the same chunks" "$(dmr-ctl $v dirty)" \
	"# dirty: chunks=3: 10 5000-5001 ok"
is "  the same volume" "$(dump vol volume_id)" "$id"
check "  another incarnation" test "$(field vol incarnation)" != "$first"
is "  that is durable before a cut (D6)" "$(dump vol incarnation)" \
	"$(printf %016x "$(field vol incarnation)")"
is "  and not clean any more" "$(dump vol flags)" -
check "  it knows the earlier one" grep -q "$(printf %016x "$first")" \
	<(dump_all vol)

# What is committed is cleared, in time, and never before the superblock.
settle_volume vol
is_cleared() {
	[ "$(dump vol dirty)" = 0 ] && [ "$(dump vol last_committed)" = 2 ]
}
check "what was committed is cleared on disk" wait_until 60 is_cleared

# A suspend is no shutdown; a retire without a removal is forgotten.
ctl "more is written" vol "write $v 0 8 1"
check "suspend" dmsetup suspend vol
is "  another table might come now" "$(dump vol flags)" taken-out
check "  resume" dmsetup resume vol
works() {
	[ "$(dump vol flags)" = - ]
}
check "  none has come" wait_until 60 works
check "  retire, suspended and resumed" \
	eval "dmsetup message vol 0 retire && dmsetup suspend vol"
is "  it is clean while it rests" "$(dump vol flags)" clean
check "  resume" dmsetup resume vol
is "  not when it works" "$(dump vol flags)" -
check "  suspended, then retired" \
	eval "dmsetup suspend vol && dmsetup message vol 0 retire"
is "  it is clean too" "$(dump vol flags)" clean
check "  resume" dmsetup resume vol
is "  not when it works" "$(dump vol flags)" -
ctl "  nothing was lost" vol "expect nr_dirty=1" "write $v 8 8 1" \
	"expect nr_dirty=2"
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a device that is shipped to a local device arrives damaged, or
# overwrites a device that somebody else uses.
. "$(dirname "$0")/lib.sh"
requires_root
PATH=$top_dir/build/tests/bench:$PATH
requires_cmd ship-bench
make_null src 64
make_null dst 64
make_null dst4k 64 blocksize=4096
dd if=/dev/urandom of=/dev/src bs=1M count=40 status=none
dd if=/dev/urandom of=/dev/dst bs=1M status=none
dd if=/dev/urandom of=/dev/dst4k bs=1M status=none

check "it is shipped" ship-bench -f /dev/src local:/dev/dst
check "every byte is there, zeros too" cmp /dev/src /dev/dst
check "to blocks of 4 KiB" ship-bench -f /dev/src local:/dev/dst4k
check "every byte is there" cmp /dev/src /dev/dst4k

make_dm odd "0 $((32 * 2048 + 3)) linear /dev/src 0"
check "a size of an odd number of sectors" \
	ship-bench -f /dev/mapper/odd local:/dev/dst4k
check "arrives as well" cmp -n $(((32 * 2048 + 3) * 512)) \
	/dev/mapper/odd /dev/dst4k

before=$(md5sum </dev/dst)
make_dm user "0 2048 linear /dev/dst 0"
refuses "a device in use is refused" "in use" \
	ship-bench -m 1048576 local:/dev/dst
is "and left alone" "$(md5sum </dev/dst)" "$before"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, damaged or foreign metadata is taken for the truth, or for a new
# device; or two volumes write to one metadata device.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_kept_volume vol 64 4
make_null other-disk 64
make_null small-meta 4
v=/dev/mapper/vol
settle_volume vol
ctl "something is dirty" vol "write $v 80 8 1"
retire_kept vol || bail "it does not retire"
dd if=/dev/vol-meta of="$scratch_dir/good" bs=1M status=none iflag=direct

# poke OFFSET: a byte of the metadata is turned round; mend: all is as it was
poke() {
	python3 -c 'import os, sys
at = int(sys.argv[1])
f = os.open("/dev/vol-meta", os.O_RDWR)
b = os.pread(f, 1, at)
os.pwrite(f, bytes([b[0] ^ 0x41]), at)
os.fsync(f)' "$1"
}
mend() {
	dd if="$scratch_dir/good" of=/dev/vol-meta bs=1M status=none conv=fsync
}
# says WORDS: the kernel, lately
says() {
	kernel_log | tail -n 4 | grep -q "$1"
}
refused() {
	refuses "$1" "" start_kept "${@:3}"
	check "  in words" says "$2"
	dmsetup remove vol 2>/dev/null
}

# seal OFFSET FORMAT VALUE: that field (of struct) of both superblocks, with their
# checksum
seal() {
	PYTHONPATH=$test_dir python3 -B - "$@" <<-'END'
	import os, struct, sys
	from crc32c import crc32c
	at, form, value = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
	f = os.open("/dev/vol-meta", os.O_RDWR)
	for slot in 0, 4096:
	    block = bytearray(os.pread(f, 4096, slot))
	    block[at:at + struct.calcsize(form)] = struct.pack(form, value)
	    block[8:12] = bytes(4)
	    block[8:12] = struct.pack("<I", crc32c(block))
	    os.pwrite(f, block, slot)
	os.fsync(f)
	END
}

# Intact, but not for us; the first shows that the checksum is none of the reasons.
seal 12 '<H' 9
check "of a newer writer that an older reader may read" start_kept vol
ctl "  nothing was lost" vol "expect nr_dirty=1"
check "  it retires" retire_kept vol
mend
seal 14 '<H' 2
refused "of a newer format" "newer than this version can read" vol
mend
seal 14 '<H' 0
refused "of an older one" "older than this version can read" vol
mend
seal 16 '<Q' 4096
refused "with features that are not known" "features unknown to this version" vol
mend

poke 100
poke 4196
refused "two damaged superblocks" "checksum does not match" vol
mend
poke 100
check "one of them is enough" start_kept vol
check "  it says so" eval \
	"kernel_log | grep -q 'superblock 0 is not sound'"
is "  and writes it anew" "$(dump vol bad_slots)" 0
ctl "  nothing was lost" vol "expect nr_dirty=1"
check "  it retires" retire_kept vol
mend
poke 0
poke 4096
refused "no magic" "no superblock of a replica volume" vol
mend
dd if=/dev/zero of=/dev/vol-meta bs=4k count=1 seek=1 status=none conv=fsync,notrunc
poke 4000
refused "a damaged one beside an empty one is not new" "does not match" vol
mend

# Bits have an answer that is always safe. Block 2 has hot bits, 3 and on chunk
# bits; a sector of them is 4032 chunks.
poke $((3 * 4096 + 100))
check "damaged chunk bits" start_kept vol
ctl "  count as ones" vol "expect nr_dirty=4032 dev_flags=0"
check "  in words" eval "kernel_log | grep -q '1 damaged sectors of chunk bits'"
check "  it retires" retire_kept vol
is "  the damage is repaired" "$(dump vol bad_sectors)" 0
mend
poke $((2 * 4096 + 20))
check "damaged hot bits" start_kept vol
ctl "  count as ones" vol "expect nr_dirty=16384 nr_hot=0 dev_flags=0"
retire_kept vol
mend

# What does not fit.
refused "another region_size" "another region_size" vol region_size 4096
refused "another chunk_size" "another chunk_size" vol chunk_size 16
refused "another role" "another role" vol role secondary
create() {
	dmsetup create "$1" --table "$2"
}
refuses "a smaller volume" "" create vol "0 65536 replica /dev/vol-disk /dev/vol-meta 0"
check "  in words" says "larger than the table says"
dmsetup remove vol 2>/dev/null
refuses "the origin as its metadata" "" create vol \
	"0 131072 replica /dev/vol-disk /dev/vol-disk 0"
check "  in words" says "is the origin"
make_dm little "0 24 linear /dev/small-meta 0"
refuses "a small metadata device" "" create vol \
	"0 131072 replica /dev/vol-disk /dev/mapper/little 0"
check "  in words" eval "kernel_log | grep -q 'needs [0-9]* sectors'"
is "it needs what meta-size says" \
	"$(kernel_log | sed -n 's/.*needs \([0-9]* sectors\).*/\1/p' | tail -n 1)" \
	"$(replicactl kernel meta-size 131072)"

check "the volume comes up" start_kept vol
refuses "a second one on its metadata" "" create second \
	"0 131072 replica /dev/other-disk /dev/vol-meta 0"
check "  in words" says "uses this metadata device"
refuses "its metadata as an origin" "" create second \
	"0 8192 replica /dev/vol-meta - 0"
check "  in words" says "metadata device in use"
refuses "a reload without it" "" dmsetup reload vol --table \
	"0 131072 replica /dev/vol-disk - 0"
dmsetup clear vol
ctl "the volume works on" vol "expect nr_dirty=1" "write $v 0 8 1"
check_dmesg
finish

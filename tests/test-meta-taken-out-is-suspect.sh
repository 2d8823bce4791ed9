#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, an origin that was written without us is trusted: what was
# written then is never shipped (L1).
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_kept_volume vol 32 4
v=/dev/mapper/vol size=$(sectors_of /dev/vol-disk)
settle_volume vol

check "it goes without retire" stop_kept vol
is "  that is recorded" "$(dump vol flags)" taken-out
check "  it comes up" start_kept vol
ctl "  wholly dirty" vol "expect nr_dirty=8192 last_committed=1"
check "  and suspect" flag vol 8
is "  also on disk" "$(dump vol flags)" suspect
is "  with its bits" "$(dump vol dirty)" 8192
check "  a clean shutdown" retire_kept vol
check "  does not end the suspicion" start_kept vol
check "  it is suspect still" flag vol 8
ctl "an epoch that is kept does not either" vol attach "cut next" \
	"wait frozen" "release 0-9" "end keep" "expect nr_dirty=8182"
check "  it is suspect still" flag vol 8
settle_volume vol
check "a commit of all does" eval "! flag vol 8"
is_trusted() {
	[ "$(dump vol flags)" = - ]
}
check "  on disk too" wait_until 60 is_trusted

dm_remove vol-dmr-view
check "another table takes its place" dmsetup reload vol --table \
	"0 $size linear /dev/vol-disk 0"
check "  under load" dmsetup resume vol
is "  that is recorded" "$(dump vol flags)" taken-out
dmsetup remove vol
start_kept vol
check "  it is suspect" flag vol 8
settle_volume vol

check "it retires" retire_kept vol
check "  and comes back" start_kept vol
check "  trusted" eval "! flag vol 8"
ctl "  with nothing dirty" vol "expect nr_dirty=0"
check "it retires again" retire_kept vol
dd if=/dev/urandom of=/dev/vol-disk bs=4k count=1 seek=100 oflag=direct \
	status=none
check "  the origin is written meanwhile; it comes back" start_kept vol
check "  suspect: the witness saw it" flag vol 8
check "  in words" eval "kernel_log | grep -q 'witness does not match'"
ctl "  wholly dirty" vol "expect nr_dirty=8192"
settle_volume vol

# pieces: where the pieces begin that were chosen at random, in sectors, of the
# newer superblock (disk-format.rst); those in the first MiB are left out
pieces() {
	python3 - /dev/vol-meta <<-'EOF'
	import struct, sys
	meta = open(sys.argv[1], "rb").read(8192)
	slot = max(meta[:4096], meta[4096:],
	           key=lambda s: struct.unpack_from("<Q", s, 32)[0])
	for i in range(1, struct.unpack_from("<I", slot, 144)[0]):
	    sector = struct.unpack_from("<Q", slot, 1248 + 24 * i)[0]
	    if sector >= 2048:
	        print(sector)
	EOF
}
check "it retires, and comes back" eval "retire_kept vol && start_kept vol"
first=$(pieces)
check "it retires once more" retire_kept vol
second=$(pieces)
check "  the witness is at other places then" test "$first" != "$second"
dd if=/dev/urandom of=/dev/vol-disk bs=512 count=1 oflag=direct status=none \
	seek="$(tail -n 1 <<<"$second")"
check "  one of them is written meanwhile; it comes back" start_kept vol
check "  suspect, too" flag vol 8
settle_volume vol

check "a removal is planned" dmsetup message vol 0 retire
ctl "  but a daemon comes back" vol attach
stop_kept vol
is "  without another retire that was none" "$(dump vol flags)" taken-out
check_dmesg
finish

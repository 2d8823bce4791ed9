#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, an fsync() of the application does not make anything durable,
# because the flush ends at our target.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_null disk0 64 cache_size=1		# a write cache: flushes count
make_null log 128
modprobe -q dm-log-writes || skip_all "needs dm-log-writes"
make_dm logged "0 $(sectors_of /dev/disk0) log-writes /dev/disk0 /dev/log"
make_replica vol /dev/mapper/logged
make_view vol /dev/mapper/logged
v=/dev/mapper/vol

# entries FLAG: those of the log that have it (1 flush, 2 FUA). The first block
# counts them; each is a block (sector, sectors, flags, ...), then its data,
# unless it is a discard (4).
entries() {
	dmsetup message logged 0 mark now
	blockdev --flushbufs /dev/log
	od -An -v -t u8 -w512 -N 262144 /dev/log | awk -v flag="$1" '
		function has(flags, bit) { return int(flags / bit) % 2 }
		NR == 1 { left = $3; at = 2; next }
		NR == at && left-- > 0 {
			found += has($3, flag)
			at += 1 + (has($3, 4) ? 0 : $2)
		}
		END { print found + 0 }'
}

# grows DESCRIPTION FLAG COMMAND...
grows() {
	local before after what=$1 flag=$2
	shift 2
	before=$(entries "$flag")
	ctl "$what" vol attach "$@"
	after=$(entries "$flag")
	check "  reached the origin ($before before, $after after)" \
		test "$after" -gt "$before"
}
settle_volume vol
grows "a flush" 1 "flush $v"
grows "a durable write" 2 "durable $v 0 8 1"
grows "a durable write to a held chunk, after its copy" 2 \
	"cut next" "wait frozen" "durable $v 0 8 2" \
	"read $v-dmr-view 0 8 1" "release all" "end commit"
grows "a flush while an epoch is open" 1 "write $v 8 8 1" "cut next" \
	"wait frozen" "flush $v" "release all" "end commit"
check_dmesg
finish

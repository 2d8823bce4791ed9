#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a large volume that was dirty all over takes more memory than is
# promised (96 MiB per TiB), or comes up with other chunks than it went with.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
requires_cmd meta-fill replicactl
sectors=$((1 << 31))			# 1 TiB
make_null big $((1 << 20))		# takes what is written only, nothing
make_null big-meta 40
table="0 $sectors replica /dev/big /dev/big-meta 0"
start() {
	dmsetup create vol --table "$table"
}
# What the kernel keeps, in KiB: objects and tables; not the page cache.
kernel_memory() {
	awk '/^(Slab|VmallocUsed):/ { n += $2 } END { print n }' /proc/meminfo
}

check "a volume of 1 TiB" start
cleanup_fn dm_remove vol
check "  retires" dmsetup message vol 0 retire
dmsetup remove vol
want=$(meta-fill /dev/big-meta) || bail "no bits"
blockdev --flushbufs /dev/big-meta
echo 3 >/proc/sys/vm/drop_caches
before=$(kernel_memory)
check "it comes up, dirty in every region" start
used=$((($(kernel_memory) - before) / 1024))
is "  exactly as it was" "$(status_of vol dirty)" "$want"
# KASAN keeps what was freed, and has room around what was not: both count here.
if grep -qw kasan_report /proc/kallsyms; then
	note "$used MiB, of which KASAN has a part: no check on this kernel"
else
	check "  with at most 96 MiB ($used)" test $used -le 96
fi
check "  and with what $want bits need at least" test $used -ge 16
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a program that asked not to be blocked (io_uring, RWF_NOWAIT)
# sleeps in our target, or its write is lost.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
requires_cmd fio
load_module
make_volume vol 16
make_null plain 16
make_replica direct /dev/plain		# dm-delay does not take NOWAIT
settle_volume direct
v=/dev/mapper/direct

ctl "a write that need not wait goes" direct "nowait $v 0 8 1" \
	"read $v 0 8 1" "expect nr_dirty=1"
ctl "while writes are held it is refused, not parked" direct <<EOF
attach
hold 60000
fails EAGAIN nowait $v 0 8 2
hold 0
read $v 0 8 1
nowait $v 0 8 3
read $v 0 8 3
EOF
ctl "to a held chunk it is refused or done, and preserved" direct <<EOF
attach
cut next
wait frozen
run dmr-ctl $v 'nowait $v 0 8 4' || dmr-ctl $v 'write $v 0 8 4'
read $v 0 8 4
expect nr_copies=1 nr_dirty=1
release all
end commit
EOF

# Verified by fio itself, under cuts: what was refused is written again.
cutter() {
	while :; do
		dmr-ctl $v attach "cut next" "wait frozen" "sleep 10" \
			"release all" "end commit" || return
	done
}
cutter >"$scratch_dir/cutter" 2>&1 &
cutter=$!
cleanup_fn kill $cutter
check "io_uring at depth, under cuts, reads what it wrote" timeout 300 fio \
	--name=nowait --filename=$v --ioengine=io_uring --direct=1 --bs=4k \
	--rw=randwrite --iodepth=16 --size=16m --verify=crc32c --loops=2 \
	--end_fsync=1 --minimal
kill $cutter
check "and the cuts went on" grep -q "end commit: ok" "$scratch_dir/cutter"
check_dmesg
finish

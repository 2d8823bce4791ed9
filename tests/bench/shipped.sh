#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Overwrites are folded, and nothing is sent for them twice: what nbdkit has
# received (headers too) against the unique dirty chunks. Scattered chunks, more
# than a window of them, so that fuzzy epochs are in it.
# lab: vm mem=2048 timeout=600
. "$(dirname "$0")/common"
. "$(dirname "$0")/replicated-setup"

MIB=256

load_module
make_brd 1 $MIB
make_dm vol "0 $(sectors_of /dev/ram0) linear /dev/ram0 0"
target_params=("logfile=$scratch_dir/requests")
start_target $((MIB + 1)) --filter=log
start_daemon
enable vol

rpc-call pause '{"volume":"vol"}' >/dev/null || bail "cannot pause"
fio --name=w --filename=/dev/mapper/vol --ioengine=io_uring --direct=1 \
	--rw=randwrite --bs=4k --iodepth=16 --norandommap \
	--number_ios=40000 >"$scratch_dir/fio" || bail "fio failed"
chunks=$(dmr-ctl /dev/mapper/vol "get nr_dirty" |
	sed -n 's/.*nr_dirty=\([0-9]*\).*/\1/p')
lines=$(wc -l <"$scratch_dir/requests")
rpc-call resume '{"volume":"vol"}' >/dev/null || bail "cannot resume"
settle vol
kill $target_pid
wait $target_pid
# "… connection=1 Write id=7 offset=0x0 count=0x1000 fua=0 ..."
bytes=$(tail -n +$((lines + 1)) "$scratch_dir/requests" | sed -n \
	's/.* Write id=.* count=\(0x[0-9a-f]*\) .*/\1/p' |
	while read -r n; do echo $((n)); done | awk '{ s += $1 } END { print s }')
row shipped-bytes "$bytes" bytes "unique dirty chunks" $((chunks * 4096)) \
	"$(quotient "$bytes" $((chunks * 4096)))"
bench_done

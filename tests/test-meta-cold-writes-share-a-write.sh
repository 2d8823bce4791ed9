#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, each write to a cold region costs a write of metadata of its own
# (H6, H9 in kmod/intent.c), as does each region that a sequential writer comes to.
# lab: fault timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
requires_cmd fio
# Nothing cools, so what is written to the hot bits is what makes regions hot.
echo 0 >/sys/module/dm_replica/parameters/idle_seconds
v=/dev/mapper/vol

# The block of hot bits has a disk of its own, which counts.
make_null vol-disk 128
make_null supers 1
make_null hot-bits 1
make_null chunk-bits 4
make_dm parts "0 16 linear /dev/supers 0
16 8 linear /dev/hot-bits 0
24 8000 linear /dev/chunk-bits 0"
make_dm vol "0 $(sectors_of /dev/vol-disk) replica /dev/vol-disk \
/dev/mapper/parts 2 region_size 1024"
settle_volume vol

nr_writes() {
	awk '{ print $5 }' /sys/class/block/hot-bits/stat
}
is_formatted() {
	[ "$(nr_writes)" -ge 1 ]
}
# starts_at, costs_at_most N DESCRIPTION: writes of hot bits
starts_at() {
	before=$(nr_writes)
}
costs_at_most() {
	local n=$(($(nr_writes) - before))
	note "$n writes of hot bits"
	check "$2" test $n -le "$1"
}

check "it was formatted, and that is counted" wait_until 60 is_formatted
# Who is not in the first step waits longer than all the others need to come.
set_fault fault_heat_us 1000000
starts_at
check "16 cold writes of one submission" fio --name=one --filename=$v \
	--rw=write:1020k --bs=4k --offset=1028k --number_ios=16 --direct=1 \
	--ioengine=libaio --iodepth=16 --iodepth_batch_submit=16
costs_at_most 2 "  are made hot by one write, or two"
ctl "  and nothing else is" vol "expect nr_hot=16"

set_fault fault_heat_us 60000000
starts_at
for ((r = 64; r < 96; r += 2)); do
	echo "start write $v $((r * 1024 + 512)) 8 1"
done >"$scratch_dir/many"
echo "running 500" >>"$scratch_dir/many"
echo "put /sys/module/dm_replica/parameters/fault_heat_us 0" \
	>>"$scratch_dir/many"
for ((r = 0; r < 16; r++)); do
	echo finish
done >>"$scratch_dir/many"
ctl "16 cold writers, while hot bits are written" vol <"$scratch_dir/many"
costs_at_most 4 "  wait for the same few"
ctl "  and nothing else is hot" vol "expect nr_hot=32"

starts_at
for ((r = 128; r < 160; r++)); do
	echo "write $v $((r * 1024)) 1024 1"
done >"$scratch_dir/pass"
ctl "one writer that passes 32 cold regions" vol <"$scratch_dir/pass"
costs_at_most 8 "  finds most of them hot"
ctl "  and few behind its end are" vol "expect nr_hot>=64" "expect nr_hot<=72"
check_dmesg
finish

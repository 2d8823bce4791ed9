#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, more regions are hot than was asked for, a crash ships too much;
# or writers wait for ever for room.
# lab: fault timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
requires_cmd fio
make_kept_volume vol 64 4 hot_regions 8 region_size 1024
settle_volume vol

# write_all MODE SECONDS: all over the volume, in the background
write_all() {
	timeout -s KILL 100 fio --name=load --filename=/dev/mapper/vol \
		--rw="$1" --bs=4k --direct=1 --ioengine=io_uring \
		--iodepth=16 --runtime="$2" --time_based \
		>"$scratch_dir/fio" 2>&1 &
	writer=$!
}
# sample: the highest figure while it writes
sample() {
	local hot
	most=0
	while kill -0 $writer 2>/dev/null; do
		hot=$(status_of vol hot)
		[ "${hot%/*}" -le $most ] || most=${hot%/*}
		sleep 0.1
	done
	wait $writer
}

is_below() {
	[ "$(field vol nr_hot)" -le "$1" ]
}

for limit in 8 1; do
	check "hot_regions $limit" dmsetup reload vol --table \
		"$(meta_table vol hot_regions $limit region_size 1024)"
	dmsetup resume vol
	for mode in randwrite write; do
		write_all $mode 4
		sample
		is "  $mode goes on" $? 0
		check "  $most were hot" test "$most" -le 8
		note "$(grep -i iops "$scratch_dir/fio" | head -n 1)"
	done
	check "  at the end not more than $limit" \
		wait_until 60 is_below $limit
done

# set_limit N: by a table reload
set_limit() {
	dmsetup reload vol --table \
		"$(meta_table vol hot_regions "$1" region_size 1024)" &&
		dmsetup resume vol
}
# touch_region N: a write to it
touch_region() {
	dd if=/dev/zero of=/dev/mapper/vol bs=4k count=1 seek=$(($1 * 128)) \
		oflag=direct status=none
}
has_failed() {
	dmesg | grep -q "origin can't be flushed"
}
# A step of the cooler has taken regions out, and puts them back, since the origin
# can't be flushed, when the limit is another.
set_limit 64
for region in {0..47}; do
	touch_region "$region"
done
set_fault fault_fail_flush 1
set_fault fault_cool_us 60000000
check "more are hot than may be" set_limit 16
touch_region 60 2>"$scratch_dir/refused" &
writer=$!
check "  some are to cool, and can't" wait_until 60 has_failed
check "  meanwhile the limit changes again" set_limit 1
set_fault fault_cool_us 0
wait $writer
check "  a write for which there is no room is refused" test $? -ne 0
set_fault fault_fail_flush 0
touch_region 61
check "  at the end not more than 1" wait_until 60 is_below 1

check "hot_regions 4" dmsetup reload vol --table \
	"$(meta_table vol hot_regions 4 region_size 1024)"
dmsetup resume vol
ctl "a cold write with NOWAIT is accepted, and tracked" vol \
	"nowait /dev/mapper/vol 70000 8 1" "read /dev/mapper/vol 70000 8 1" \
	"write /dev/mapper/vol 70000 8 1" \
	"nowait /dev/mapper/vol 70008 8 1"

# A write waits for its bit, and for nothing else: another region is hot.
set_fault fault_heat_us 60000000
ctl "while a bit is written, other writes go on" vol <<EOF
start write /dev/mapper/vol 120000 8 1
running 200
write /dev/mapper/vol 70016 8 1
running 200
put /sys/module/dm_replica/parameters/fault_heat_us 0
finish
EOF
check_dmesg
finish

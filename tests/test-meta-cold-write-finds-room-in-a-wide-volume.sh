#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a write to a volume of many terabytes can wait for ever: as many
# blocks of hot bits as one write takes have changed, and nobody writes them.
# lab: fault timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
# 18 blocks of hot bits, of 32256 regions each, without memory for the data.
block=$((32256 * 512))
make_null vol-disk $((18 * block / 2048)) memory_backed=0 discard=0
make_meta vol 8
start_kept vol region_size 512
cleanup_fn stop_kept vol
v=/dev/mapper/vol

hot_is() {
	[ "$(field vol nr_hot)" = "$1" ]
}
# The cooler has 3000 cold regions to rewrite, of which a step takes 256; the
# regions that are idle meanwhile cool in one of the first steps.
set_fault fault_rewrite_us 4000000
echo 1 >/sys/module/dm_replica/parameters/idle_seconds
for ((i = 0; i < 16; i++)); do
	echo "write $v $((i * block)) 8 1"
done >"$scratch_dir/writes"
ctl "a region is hot in each of 16 blocks" vol <"$scratch_dir/writes"
ctl "  and the cooler is busy elsewhere" vol "mark 1000000-1191999"
check "  they cool" wait_until 60 hot_is 0
is "  and their bits are not written yet" "$(dump vol hot)" 16
ctl "a write to the 17th block goes on" vol <<EOF
start write $v $((16 * block)) 8 1
finish 20000
EOF
check "  while the cooler is busy still" flag vol 32
set_fault fault_rewrite_us 0
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a disk under the volume or under its metadata that fails for a
# while, again and again, makes it forget a chunk, live or after a crash.
# lab: timeout=300
#
# DMR_SOAK_SECONDS=N: longer than 15 s. DMR_BREAK=PARAM=VALUE: of the module;
# fault_no_intent=1 must be noticed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
requires_cmd fio kill-rig jq
requires_module dm-flakey
load_module ${DMR_BREAK-}
for disk in vol-disk vol-meta target; do
	make_null $disk 32
done

# Every request fails for a second, after some in which none does.
flaky() {
	echo "0 65536 flakey /dev/vol-$1 0 $(($2 * ${DMR_SLOW:-1})) 1"
}
mend() {
	dmsetup reload "$1" --table "0 65536 linear /dev/vol-$2 0" &&
		dmsetup resume "$1"
}
start_volume() {
	dmsetup create vol --table "0 65536 replica /dev/mapper/origin \
/dev/mapper/meta 4 region_size 512 hot_regions 8"
}
drop_volume() {
	dm_remove vol-dmr-view
	dm_remove vol
}
make_dm origin "0 65536 linear /dev/vol-disk 0"
make_dm meta "0 65536 linear /dev/vol-meta 0"
start_volume || bail "no volume"
cleanup_fn drop_volume
make_view vol /dev/mapper/origin
settle_volume vol

# It ends with each error, then its epoch is aborted.
ship() {
	while [ ! -e "$scratch_dir/stop" ]; do
		timeout -s KILL $((10 * ${DMR_SLOW:-1})) kill-rig ship /dev/mapper/vol \
			/dev/mapper/vol-dmr-view /dev/target
		sleep 0.1
	done >>"$scratch_dir/epochs" 2>&1
}
check_dirty() {
	kill-rig check /dev/mapper/vol /dev/vol-disk /dev/target
}
check "the disks begin to fail" eval "dmsetup reload origin --table '$(flaky \
	disk 2)' && dmsetup resume origin && dmsetup reload meta --table '$(flaky \
	meta 3)' && dmsetup resume meta"
ship &
shipper=$!
# A slow machine needs more rounds for an epoch between two failures.
errors=0 epochs=0
for round in {1..10}; do
	fio --name=load --filename=/dev/mapper/vol --rw=randwrite \
		--bsrange=4k-64k --direct=1 --ioengine=io_uring --iodepth=8 \
		--rate_iops=300 --fsync=32 --refill_buffers \
		--continue_on_error=all --time_based --output-format=json \
		--runtime="${DMR_SOAK_SECONDS:-15}" >"$scratch_dir/fio" 2>&1
	n=$(sed -n '/^{/,$p' "$scratch_dir/fio" | jq '.jobs[0].total_err')
	errors=$((errors + ${n:-0}))
	epochs=$(grep -c '^epoch [0-9]*: [1-9]' "$scratch_dir/epochs")
	[ $errors = 0 ] || [ "$epochs" = 0 ] || break
done
touch "$scratch_dir/stop"
wait $shipper
check "writes have failed ($errors, in $round rounds)" test $errors -gt 0
check "epochs were committed all the same ($epochs)" test "$epochs" -gt 0
check "the disks are well again" eval "mend origin disk && mend meta meta"
check "no write was forgotten" check_dirty
note "$(check_dirty)"

# What a power cut would leave is what it comes up with.
is_durable() {
	grep -q " durable$" <(dmsetup status vol)
}
check "the metadata works again" wait_until 60 is_durable
ctl "writes go on" vol "write /dev/mapper/vol 80 8 7" "write /dev/mapper/vol \
40000 8 7"
crash() {
	copy_instant /dev/vol-meta "$scratch_dir/meta" || return
	drop_volume
	dd if="$scratch_dir/meta" of=/dev/vol-meta bs=1M oflag=direct || return
	start_volume
}
check "it crashes and comes up again" crash
check "nothing is suspect" eval "! flag vol 8"
check "no write was forgotten" check_dirty
note "$(check_dirty)"
check_dmesg
finish

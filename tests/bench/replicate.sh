#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Random 4 KiB writes at depth 16 to a RAM disk that is being replicated within
# this machine: by replicad to nbdkit, and by DRBD 8.4, protocol A, to a second
# minor over loopback; and to one that is not replicated, which is what the
# machine can do. Runs take turns; each starts when the others are idle.
# lab: vm mem=3072 timeout=900
. "$(dirname "$0")/common"
. "$(dirname "$0")/replicated-setup"
. "$(dirname "$0")/drbd-pair"

ROUNDS=5 SECONDS_EACH=3
MIB=256

start_drbd() {
	attach_drbd && connect_drbd && promote_drbd
}

# iops DEVICE
iops() {
	fio --name=w --filename="$1" --ioengine=io_uring --direct=1 \
		--rw=randwrite --bs=4k --iodepth=16 --norandommap \
		--time_based --runtime=$SECONDS_EACH --output-format=json |
		sed -n '/^{/,$p' | jq '.jobs[0].write.iops | floor'
}

load_module
make_brd 4 $MIB
make_dm vol "0 $(sectors_of /dev/ram2) linear /dev/ram2 0"
make_dm lin "0 $(sectors_of /dev/ram3) linear /dev/ram3 0"
iops /dev/mapper/lin >/dev/null
start_drbd >"$scratch_dir/drbd" 2>&1 ||
	bail "no DRBD: $(tail -n 3 "$scratch_dir/drbd")"
target_params=()
start_target $((MIB + 1))
start_daemon
enable vol

for ((i = 0; i < ROUNDS; i++)); do
	wait_until 30 drbd_is_idle || bail "DRBD does not come to rest"
	settle vol
	iops /dev/drbd0 >>"$scratch_dir/drbd-iops"
	wait_until 30 drbd_is_idle || bail "DRBD does not come to rest"
	before=$(rpc-call get vol bytes_shipped)
	iops /dev/mapper/vol >>"$scratch_dir/our-iops"
	after=$(rpc-call get vol bytes_shipped)
	echo $(((after - before) / 1048576)) >>"$scratch_dir/shipped"
	settle vol
	iops /dev/mapper/lin >>"$scratch_dir/linear-iops"
done
ours=$(median <"$scratch_dir/our-iops")
drbd=$(median <"$scratch_dir/drbd-iops")
row replicate-vs-drbd-a "$ours" writes/s "DRBD 8.4 protocol A" "$drbd" \
	"$(quotient "$ours" "$drbd")"
row replicate-vs-linear "$ours" writes/s "dm-linear, not replicated" \
	"$(median <"$scratch_dir/linear-iops")" \
	"$(quotient "$ours" "$(median <"$scratch_dir/linear-iops")")"
echo "shipped meanwhile, MiB in each run of $SECONDS_EACH s:" \
	"$(tr '\n' ' ' <"$scratch_dir/shipped")"
echo "runs: $(tr '\n' ' ' <"$scratch_dir/our-iops")DRBD:" \
	"$(tr '\n' ' ' <"$scratch_dir/drbd-iops")"
settle vol
cmp -n $((MIB << 20)) /dev/mapper/vol <(nbdcopy "$target_uri" -) ||
	bail "the replica is not the device"
bench_done

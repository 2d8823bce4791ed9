#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: vm mem=3072 timeout=1500
#
# A wide-area link: 100 ms there and back, one packet in 1,000 lost, 100 Mbit/s,
# made by netem on the loopback device of the virtual machine, in frames of 1,500
# bytes.
#
#   wan-link       MB/s of data while a replica catches up with CATCH_UP_MIB of
#                  random data, next to what the link carries at most; median of
#                  ROUNDS; congestion=bbr
#   wan-link-cubic   the same, with cubic, as most kernels have it
#   wan-nbdcopy    what nbdcopy reaches there, with as many connections; the
#                  kernel's default
#   wan-latency    mean time of a write at RATE, more than the link carries,
#                  while it is replicated, next to no daemon at all
#   wan-latency-drbd-a   the same of DRBD 8.4, protocol A, over the same link,
#                  next to its own without a peer
. "$(dirname "$0")/common"
. "$(dirname "$0")/replicated-setup"
. "$(dirname "$0")/drbd-pair"
requires_cmd tc nbdkit nbdcopy

MIB=256 CATCH_UP_MIB=96 RATE=20m SECONDS_EACH=8 ROUNDS=3
# 1,448 of 1,514 bytes of a frame are data.
LINK=$(awk 'BEGIN { print 100e6 / 8 / 1e6 * 1448 / 1514 }')

# slow on|off: the link; off is loopback as it always is
slow() {
	if [ "$1" = on ]; then
		tc qdisc add dev lo root netem limit 20000 delay 50ms \
			loss 0.1% rate 100mbit
	else
		tc qdisc del dev lo root
	fi
}

# write_us DEVICE: the mean time of a write
write_us() {
	fio --name=w --filename="$1" --ioengine=io_uring --direct=1 \
		--rw=randwrite --bs=16k --iodepth=4 --rate=$RATE \
		--time_based --runtime=$SECONDS_EACH --randseed=$RANDOM \
		--output-format=json | sed -n '/^{/,$p' |
		jq '.jobs[0].write.clat_ns.mean / 1000'
}

# catch_up FILE: the rate goes there
catch_up() {
	local start
	replicactl pause vol >/dev/null || bail "pause"
	slow off 2>/dev/null
	head -c $((CATCH_UP_MIB << 20)) /dev/urandom |
		dd of=/dev/mapper/vol bs=1M oflag=direct iflag=fullblock \
		status=none || bail "dd"
	slow on || bail "no netem"
	start=$EPOCHREALTIME
	replicactl resume vol >/dev/null || bail "resume"
	settle vol
	echo "$start $EPOCHREALTIME" | awk -v b=$((CATCH_UP_MIB << 20)) \
		'{ print b / ($2 - $1) / 1e6 }' >>"$1"
}

# start_tcp_target PORT: $target_uri is it
start_tcp_target() {
	nbdkit -f -i 127.0.0.1 -p "$1" memory "$((MIB + 1))M" &
	cleanup_fn kill $!
	target_uri="nbd://127.0.0.1:$1"
	wait_until 20 nbdinfo --size "$target_uri" || bail "no nbdkit"
}

start_drbd() {
	attach_drbd && promote_drbd
}

# copy FILE: the rate of nbdcopy
copy() {
	local start=$EPOCHREALTIME
	nbdcopy --connections=4 --request-size=262144 "$scratch_dir/data" \
		"$target_uri" || bail "nbdcopy"
	echo "$start $EPOCHREALTIME" | awk -v b=$((CATCH_UP_MIB << 20)) \
		'{ print b / ($2 - $1) / 1e6 }' >>"$1"
}

load_module
modprobe -a sch_netem tcp_bbr || bail "no netem, or no BBR"
ip link set lo mtu 1500
make_brd 3 $MIB
make_dm vol "0 $(sectors_of /dev/ram2) replica /dev/ram2 - 0"
start_tcp_target 10808

write_us /dev/mapper/vol >/dev/null
for ((i = 0; i < ROUNDS; i++)); do
	write_us /dev/mapper/vol >>"$scratch_dir/alone-us"
done

head -c $((CATCH_UP_MIB << 20)) /dev/urandom >"$scratch_dir/data"
slow on || bail "no netem"
for ((i = 0; i < ROUNDS; i++)); do
	copy "$scratch_dir/nbdcopy"
done
start_tcp_target 10809
start_daemon
for algorithm in cubic bbr; do
	[ $algorithm = cubic ] || replicactl disable vol >/dev/null ||
		bail "disable"
	slow off 2>/dev/null
	enable vol ',"tls":"off","congestion":"'$algorithm'"'
	for ((i = 0; i < ROUNDS; i++)); do
		catch_up "$scratch_dir/$algorithm"
	done
done
for ((i = 0; i < ROUNDS; i++)); do
	write_us /dev/mapper/vol >>"$scratch_dir/our-us"
	settle vol
done
slow off
replicactl pause vol >/dev/null || bail "pause"

start_drbd >"$scratch_dir/drbd" 2>&1 ||
	bail "no DRBD: $(tail -n 3 "$scratch_dir/drbd")"
for ((i = 0; i < ROUNDS; i++)); do
	write_us /dev/drbd0 >>"$scratch_dir/drbd-alone-us"
done
connect_drbd >"$scratch_dir/drbd" 2>&1 ||
	bail "no DRBD: $(tail -n 3 "$scratch_dir/drbd"; cat /proc/drbd)"
slow on
for ((i = 0; i < ROUNDS; i++)); do
	write_us /dev/drbd0 >>"$scratch_dir/drbd-us"
	wait_until 120 drbd_is_idle ||
		bail "DRBD does not come to rest"
done
slow off

of() {
	median <"$scratch_dir/$1"
}
row wan-link "$(of bbr)" MB/s "the link" "$LINK" "$(quotient "$(of bbr)" "$LINK")"
row wan-link-cubic "$(of cubic)" MB/s "the link" "$LINK" \
	"$(quotient "$(of cubic)" "$LINK")"
row wan-nbdcopy "$(of nbdcopy)" MB/s "the link" "$LINK" \
	"$(quotient "$(of nbdcopy)" "$LINK")"
row wan-latency "$(of our-us)" us "no daemon" "$(of alone-us)" \
	"$(quotient "$(of our-us)" "$(of alone-us)")"
row wan-latency-drbd-a "$(of drbd-us)" us "DRBD 8.4 alone" \
	"$(of drbd-alone-us)" "$(quotient "$(of drbd-us)" "$(of drbd-alone-us)")"
for f in bbr cubic nbdcopy our-us alone-us drbd-us drbd-alone-us; do
	echo "$f: $(tr '\n' ' ' <"$scratch_dir/$f")"
done
bench_done

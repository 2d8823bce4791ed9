#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: vm mem=4096 timeout=1500
#
# The figures of pair-lag.sh, pair-switchover.sh and pair-failover.sh with the real
# module, on an emulated processor: two sites in one machine, TLS over loopback,
# disks, log and base in memory; options as they are by default.
#
#   vm-lag-p99       seconds: the lag that 99 of 100 answers did not exceed, in SPAN
#                    seconds of RATE scattered writes of 4 KiB a second. The goal
#                    is 0.5
#   vm-lag-median    the same of half of them
#   vm-switchover-pause   seconds from the last write that was acknowledged at A to
#                    the first one at B. The goal is 3
#   vm-switchover-log     the same of the volume of vm-lag, after that: B applies
#                    what its log has of it
#   vm-failover-ready     seconds from "failover --force", of a volume that has
#                    HISTORY MiB of epochs in its log, to the first write at B. The
#                    goal is 5
SPAN=${SPAN:-60} RATE=${RATE:-200} HISTORY=${HISTORY:-256}
. "$(dirname "$(readlink -f "$0")")/common"
requires_cmd nbdkit rpc-call jq losetup fio
modprobe loop || skip_all "needs the module loop"
load_module
. "$test_dir/lib-two-sites.sh"

# goal NAME SECONDS GOAL
goal() {
	row "$1" "$2" s goal "$3" "$(quotient "$2" "$3")"
}
# since EPOCHREALTIME
since() {
	awk -v a="${1/,/.}" -v b="${EPOCHREALTIME/,/.}" \
		'BEGIN { printf "%.3f\n", b - a }'
}
# is_settled VOLUME
is_settled() {
	[ "$(a rpc-call get "$1" state)" = replicating ] &&
		[ "$(a rpc-call get "$1" dirty_bytes)" = 0 ] &&
		[ "$(a rpc-call get "$1" epoch)" = 0 ]
}
# make_volume NAME MIB METADATA-MIB
make_volume() {
	make_null "$1-disk" "$2"
	make_null "$1-meta" "$3"
	make_dm "$1" "0 $(sectors_of "/dev/$1-disk") linear /dev/$1-disk 0"
}
# begin VOLUME NAME-AT-B
begin() {
	a replicactl enable "$1" --target "pair:p/$2" --metadata "/dev/$1-meta" \
		>/dev/null 2>&1 || bail "$1 cannot be enabled"
	wait_until 200 is_settled "$1" || bail "$1 is not settled"
}

# --- lag ---------------------------------------------------------------------------
# share OF_100: the sample that so many do not exceed
share() {
	sort -g "$scratch_dir/lags" | awk -v p="$1" '{ v[NR] = $1 }
		END { n = NR * p / 100; i = int(n); print v[i < n ? i + 1 : i] }'
}
measure_lag() {
	local end epochs
	fio --name=w --filename=/dev/mapper/busy --rw=randwrite --bs=4k --direct=1 \
		--ioengine=libaio --iodepth=4 --rate_iops="$RATE" --time_based \
		--runtime=$((SPAN + 15)) --thread >"$scratch_dir/fio" 2>&1 &
	wait_until 30 eval '[ "$(a rpc-call get busy dirty_bytes)" != 0 ]' ||
		bail "nothing is written"
	sleep 3
	epochs=$(a rpc-call get busy epochs_clean)
	for ((end = SECONDS + SPAN; SECONDS < end; )); do
		echo "$(a rpc-call get busy lag_s)" >>"$scratch_dir/lags"
	done
	epochs=$(($(a rpc-call get busy epochs_clean) - epochs))
	wait $!
	goal vm-lag-p99 "$(share 99)" 0.5
	goal vm-lag-median "$(share 50)" 0.5
	echo "lag: $(wc -l <"$scratch_dir/lags") samples, $epochs epochs;" \
		"$(grep -o 'IOPS=[^,]*' "$scratch_dir/fio")"
}

# --- switchover --------------------------------------------------------------------
# write_on VOLUME
write_on() {
	while dd if=/dev/zero of="/dev/mapper/$1" bs=4k count=1 oflag=direct \
			status=none 2>/dev/null; do
		echo "${EPOCHREALTIME/,/.}" >>"$scratch_dir/written"
	done
}
has_written() {
	[ "$(wc -l <"$scratch_dir/written")" -ge 20 ]
}
# hand_over VOLUME: it is refused where the writer has the device open just then
hand_over() {
	for _ in $(seq 60); do
		a replicactl failover "$1" --planned >"$scratch_dir/says" 2>&1 &&
			return
		grep -q "is in use" "$scratch_dir/says" || break
	done
	bail "not handed over: $(cat "$scratch_dir/says")"
}
# measure_switchover VOLUME ROW: it is VOLUME-b at B
measure_switchover() {
	local writer
	: >"$scratch_dir/written"
	write_on "$1" &
	writer=$!
	cleanup_fn end $writer
	wait_until 60 has_written || bail "nothing is written"
	hand_over "$1"
	b replicactl failover "$1-b" --force >"$scratch_dir/says" 2>&1 ||
		bail "B does not take over: $(cat "$scratch_dir/says")"
	dd if=/dev/zero of="/dev/mapper/$1-b" bs=4k count=1 oflag=direct \
		status=none || bail "B's device can't be written to"
	pause=$(since "$(tail -n 1 "$scratch_dir/written")")
	wait $writer
	goal "$2" "$pause" 3
}

# --- failover ----------------------------------------------------------------------
PIECES=8
fill() {
	local i piece=$((HISTORY / PIECES))
	for ((i = 0; i < PIECES; i++)); do
		dd if=/dev/urandom of=/dev/mapper/first bs=1M seek=$((i * piece)) \
			count=$piece oflag=direct conv=notrunc status=none
		wait_until 200 is_settled first || bail "not settled"
	done
}
measure_failover() {
	local start left log
	fill
	log=$(a replicactl history first --json)
	left=$(jq '[.epochs[] | select(.applied | not)] | length' <<<"$log")
	log=$(jq '.log_bytes / 1048576 | floor' <<<"$log")
	end $a_pid
	start=$EPOCHREALTIME
	b replicactl failover second --force >"$scratch_dir/says" 2>&1 ||
		bail "no failover: $(cat "$scratch_dir/says")"
	dd if=/dev/zero of=/dev/mapper/second bs=4k count=1 oflag=direct \
		status=none || bail "B's device can't be written to"
	goal vm-failover-ready "$(since "$start")" 5
	echo "failover: the log had $log MiB, $left epochs of it not yet in the base"
}

forget() {
	local v
	for v in moved-b busy-b second; do
		dmsetup remove --retry $v-dmr-view 2>/dev/null
		dmsetup message $v 0 retire
		dmsetup remove --retry $v 2>/dev/null
	done
	losetup -D
}

make_volume moved 32 16
make_volume busy 64 16
make_volume first "$HISTORY" 16
start a
a_pid=$pid
start b
b_pid=$pid
b replicactl pair invite p --address 127.0.0.1:10996 --listen 127.0.0.1 \
	--dir "$stage" --history 1h --create "busy-b:64MiB:$scratch_dir/busy-base" \
	--create "moved-b:32MiB:$scratch_dir/moved-base" \
	--create "second:${HISTORY}MiB:$scratch_dir/base" \
	>"$scratch_dir/token" 2>/dev/null || bail "no invitation"
a replicactl pair join p <"$scratch_dir/token" >/dev/null || bail "no pair"
cleanup_fn forget
begin moved moved-b
measure_switchover moved vm-switchover-pause
begin busy busy-b
measure_lag
measure_switchover busy vm-switchover-log
begin first second
measure_failover
kill -TERM $b_pid
wait $b_pid
bench_done

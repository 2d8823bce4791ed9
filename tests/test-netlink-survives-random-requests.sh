#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, requests that nobody would write, from several sockets at once
# and under load, crash the kernel, make it lie, or leave a volume unusable.
# lab: timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
requires_cmd fio
load_module
make_kept_volume kept 32 4
make_plain_volume vol 16

seconds=${DMR_FUZZ_SECONDS:-15}
start_load() {
	fio --name=load --filename="/dev/mapper/$1" --rw=randwrite --bs=4k \
		--ioengine=io_uring --iodepth=4 --direct=1 --time_based \
		--runtime=$((seconds + 600)) --continue_on_error=all \
		--thinktime=2ms --randseed=1 >/dev/null 2>&1 &
	loads+=($!)
	cleanup_fn kill -9 $!
}
loads=()
start_load kept
start_load vol

seed=${DMR_FUZZ_SEED:-$RANDOM}
pids=()
for i in 1 2 3; do
	netlink-fuzz --corpus tests/corpus/netlink.txt "$seconds" \
		$((seed + i)) /dev/mapper/kept /dev/mapper/vol \
		>"$scratch_dir/fuzz$i" 2>&1 &
	pids+=($!)
done
for i in 1 2 3; do
	check_ended "fuzzer $i with seed $((seed + i))" "${pids[i - 1]}" \
		"$scratch_dir/fuzz$i"
done

is "no command was never accepted" "$(cat "$scratch_dir"/fuzz? | awk '
	/^# accepted/ { sum[$4] += $3 }
	END { for (name in sum) if (!sum[name]) print name }')" ""

kill "${loads[@]}"
wait "${loads[@]}"

# Whatever they left behind: a primary again, alone, everything marked, shipped.
for v in kept vol; do
	ctl "$v still replicates" $v attach "set role=1" "join 0" \
		"mark all" "cut next" "wait frozen" "release all" "end commit"
done
check_dmesg
finish

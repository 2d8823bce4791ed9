#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a secondary whose machine dies may come back without the last epoch
# that it answered for, or with a history that lies: the machine is killed at some
# moment of a workload, and its disk is looked at. DMR_KILLS=N: so often.
# lab: host soak timeout=10000
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-powercut-stage.sh"
requires_cmd mkfs.ext4
kills=${DMR_KILLS:-12}
RANDOM=$seed
mkdir -p "$scratch_dir/disk"

# kill_one: after a random number of marks
killed_at=0
kill_one() {
	local share=$scratch_dir/share disk=$scratch_dir/vda pid
	local after=$((RANDOM % 100 + 3))
	rm -rf "$share" "$disk"
	mkdir -p "$share/out"
	truncate -s $(((fs + base) * 512)) "$disk"
	mkfs.ext4 -q -b 1024 -J size=2 -E nodiscard "$disk" $((fs / 2))k
	"$test_dir/vm/run" --no-module --share "$share" --disk "$disk" \
		--pidfile "$scratch_dir/pid" --timeout 900 -- \
		tests/powercut-stage-guest $fs $base "$base_path" "$seed" \
		>"$scratch_dir/vm" 2>&1 &
	pid=$!
	cleanup_fn kill $pid
	wait_until 900 has_marks $after || return 1
	kill -KILL "$(cat "$scratch_dir/pid")"
	wait $pid
	killed_at=$(nr_marks)
}
nr_marks() {
	cat "$scratch_dir/share/out/marks" 2>/dev/null | wc -l
}
has_marks() {
	[ "$(nr_marks)" -ge "$1" ]
}

for ((n = 1; n <= kills; n++)); do
	kill_one || { note "$(tail "$scratch_dir/vm")"; bail "no machine"; }
	powercut-stage-check --marks "$scratch_dir/share/out/marks" \
		"$scratch_dir/vda" $fs $base "$base_path" "$seed" \
		>"$scratch_dir/said" 2>&1
	is "killed after $killed_at marks: an epoch is there" $? 0
	note "$(tail -n 3 "$scratch_dir/said")"
	seed=$((seed + 1))
done
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a primary that crashes and comes back, with what its metadata
# devices remember, gives its target an image that is none, or forgets a write.
# Chains of dependent writes over two volumes; every image is checked where it
# is. The writer and the daemon die, the disks are as they were at one instant,
# the volumes come up again with their metadata. DMR_SEED=N: other writes.
# lab: timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
. "$(dirname "$0")/lib-target.sh"
requires_cmd jq rpc-call replicad oracle-target
load_module
shape=(region_size 512 hot_regions 6)
slow=${DMR_SLOW:-1}	# each request costs much there: fewer writes
patience=20s		# no target hangs here, but a loaded machine may seem to

# crash NAME: what a power cut leaves on its disks is what it comes up with.
crash() {
	local meta=$scratch_dir/$1.meta
	copy_instant "/dev/$1-meta" "$meta" || return
	stop_kept "$1"
	dd if="$meta" of="/dev/$1-meta" bs=1M oflag=direct status=none || return
	start_kept "$1" "${shape[@]}"
}
has_committed() {
	[ "$(rpc-call get $a epochs_clean)" -ge "$1" ]
}
sent() {
	echo $(($(rpc-call get $a bytes_shipped) +
		$(rpc-call get $a bytes_zero) +
		$(rpc-call get $b bytes_shipped) +
		$(rpc-call get $b bytes_zero)))
}

# round NR "WRITER" EPOCHS: killed after so many
round() {
	a=a$1 b=b$1
	make_kept_volume $a 8 4 "${shape[@]}"
	make_kept_volume $b 6 4 "${shape[@]}"
	# shellcheck disable=SC2086
	start_writer --seconds 3000 --seed $((${DMR_SEED:-0} + $1)) $2 -- $a $b
	start_target --seed "$1" --images 5 -- $a $b
	configure "" $a $b
	start_daemon
	check "round $1: epochs are committed" wait_until 180 has_committed "$3" ||
		{ note "$(rpc-call get $a reason; tail "$daemon_log" "$scratch_dir/target")"
		  finish; }
	kill -KILL "$writer_pid"
	touch "$scratch_dir/stop"
	kill -KILL "$(cat "$daemon_pid_file")"
	wait "$writer_pid" "$keeper_pid" 2>/dev/null
	dm_remove $a-dmr-view
	dm_remove $b-dmr-view
	check "  the primary crashes" eval "crash $a && crash $b"
	dirty=$(($(status_of $a dirty) + $(status_of $b dirty)))
	check "  $dirty chunks are dirty, not all" test $dirty -lt 3584
	check "  nothing is suspect" eval "! flag $a 8 && ! flag $b 8"
	start_daemon
	check "  the targets are the volumes" images_are_volumes $a $b
	check "  what was dirty was sent, no more" test "$(sent)" -le \
		$((dirty * 4096))
	check_target "  every image was closed"
	stop_daemon
	is "  the daemon ends well" $? 0
}

round 1 "--chains 4 --max 8192 --pause $((2000 * slow))" 12
round 2 "--chains 6 --max 65536 --zero 10 --pause $((4000 * slow))" 20
round 3 "--chains 2 --max 4096 --pause $((500 * slow))" 30
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: who dies while a volume grows would leave it
# without a replica, or the replica without an image on the way.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

mib=1048576
size=8

# die_at STEP: the daemon, in the middle of an extend
die_at() {
	SIM_DIE_AT=$1 start_daemon
	wait_settled a || bail "not replicated"
	sim-ctl origin a $((++size * mib))
	replicactl extend a >/dev/null 2>&1
	wait $daemon_pid
	is "dies at \"$1\"" $? 137
}

has_grown() {
	field_is a size_bytes $((size * mib)) && settled a
}

staged_is_whole() {
	image "$scratch_dir/image" && cmp "$scratch_dir/a.img" "$scratch_dir/image"
}

file_is_whole() {
	cmp -n $((size * mib)) "$scratch_dir/a.img" "$scratch_dir/a.target"
}

# survives IS-WHOLE [SERVED]: it grows under load; the daemon dies four times, and
# with SERVED the stage too, which shows an image whenever it comes back.
survives() {
	local i is_whole=$1
	sim-ctl storm a 3000 7 1000 2048 &
	storm=$!
	cleanup_fn kill_pid $storm
	for i in 1 2 3 4; do
		sim-ctl grow a $((++size * mib))
		sleep 0.$((RANDOM % 6 + 1))
		kill_daemon
		if [ $# -gt 1 ]; then
			kill -KILL $plugin_pid
			wait $plugin_pid 2>/dev/null
			start_stage history=1h
			check "kill -9, the ${i}th: there is an image" \
				image "$scratch_dir/image"
		fi
		start_daemon
	done
	wait $storm
	check "all of it arrives" wait_until 60 has_grown
	check "and is the volume" $is_whole
}

make_volume a
start_stage history=1h
begin_config
configure a metadata=/dev/meta
die_at extend
start_daemon
check "nobody has asked it to grow" wait_settled a
is "it is as it was" "$(field a size_bytes)" $((8 * mib))
check "asked again, it grows" replicactl extend a
check "as it is to" wait_until 60 has_grown
stop_daemon
die_at extended
start_daemon
check "it has grown" wait_until 60 has_grown
check "and is the volume" staged_is_whole
survives staged_is_whole served
stop_daemon
stop_plugin

rm -r "$state_dir"
native_mib=40
start_target a --threads=1
start_daemon
wait_settled a 60 || bail "no sync to a file"
survives file_is_whole
stop_daemon
finish

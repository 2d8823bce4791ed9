# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# After lib.sh and lib-kmod.sh: replicad ships the volumes of an oracle writer,
# in one group, to oracle-target, which checks every image that it is told to
# have.

export REPLICA_SOCKET=$scratch_dir/control
daemon_log=$scratch_dir/daemon.log
daemon_pid_file=$scratch_dir/daemon.pid

# writer_ends SECONDS: within so many
writer_ends() {
	timeout "$1" tail --pid="$writer_pid" -f /dev/null
}

# begin SECONDS "WRITER" "TARGET" "CONFIG": all of it with the volumes $a and $b,
# for so long, and on a slow machine until the target has seen enough (six times
# as long at most), or less: a violation ends the writer. It has ended then.
begin() {
	local seconds=$1 writer=$2 target=$3 config=$4 enough=$scratch_dir/enough
	local most=$((6 * seconds * ${DMR_SLOW:-1}))
	rm -f "$enough"
	# shellcheck disable=SC2086
	start_writer --seconds $most $writer -- "$a" "$b"
	# shellcheck disable=SC2086
	start_target $target --enough "$enough" -- "$a" "$b"
	configure "$config" "$a" "$b"
	start_daemon
	if ! writer_ends "$seconds"; then
		wait_until $((3 * seconds)) test -e "$enough"
		kill "$writer_pid"
	fi
	writer_ends 60 || bail "the writer does not end"
}

# start_target OPTION... -- NAME...: oracle-target for the writer that runs.
start_target() {
	local options=()
	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	shift
	oracle-target "${options[@]}" "$oracle_state" "$scratch_dir" "$@" \
		>"$scratch_dir/target" 2>&1 &
	target_pid=$!
	cleanup_fn kill -9 $target_pid
	for name; do
		wait_until 60 test -S "$scratch_dir/$name.nbd" ||
			bail "no target: $(cat "$scratch_dir/target")"
	done
}

# configure "KEY=VALUE..." NAME...: all in the group g. A target that hangs has
# $patience, 1 s without.
configure() {
	local more=$1 name
	shift
	printf '%s\n' '[replicad]' "state_dir=$scratch_dir/ids" \
		>"$scratch_dir/conf"
	for name; do
		printf '%s\n' "[volume $name]" group=g \
			"target=nbd+unix:///?socket=$scratch_dir/$name.nbd" \
			interval=0ms heartbeat=300ms "timeout=${patience:-1s}" \
			window=2MiB
		tr ' ' '\n' <<<"$more"
	done >>"$scratch_dir/conf"
}

# A daemon, again and again, until $scratch_dir/stop is there.
keep_daemon() {
	local pid status=0
	while [ ! -e "$scratch_dir/stop" ]; do
		replicad --config "$scratch_dir/conf" 2>>"$daemon_log" &
		pid=$!
		echo $pid >"$daemon_pid_file.new"
		mv "$daemon_pid_file.new" "$daemon_pid_file"
		wait $pid
		status=$?
	done 2>/dev/null
	return $status
}

start_daemon() {
	: >"$daemon_log"
	rm -f "$scratch_dir/stop"
	keep_daemon &
	keeper_pid=$!
	cleanup_fn stop_daemon
}

# Status: the last daemon's.
stop_daemon() {
	local status=0
	touch "$scratch_dir/stop"
	kill "$(cat "$daemon_pid_file")"
	wait "$keeper_pid" || status=$?
	dm_remove "$a-dmr-view"
	dm_remove "$b-dmr-view"
	return $status
}

# Nothing is dirty, no epoch is open, the images are there.
settled() {
	rpc-call status | json_holds '.volumes | length > 0 and all(
		.state == "replicating" and .dirty_bytes == 0 and
		.epoch == 0 and .replica_consistent)'
}

# images_are_volumes NAME...: byte for byte, and closed up to the last record.
images_are_volumes() {
	local name files=()
	wait_until 60 settled ||
		{ rpc-call status; tail -n 20 "$daemon_log"; return 1; }
	for name; do
		dd if="/dev/mapper/$name" bs=1M iflag=direct status=none |
			cmp -n "$(blockdev --getsize64 "/dev/mapper/$name")" \
			- "$scratch_dir/$name.target" || return
		files+=("$scratch_dir/$name.target")
	done
	oracle-check --current --least 2 "$oracle_state" "${files[@]}"
}

# check_noticed DESCRIPTION: it has seen a violation.
check_noticed() {
	local status=0
	kill "$target_pid"
	wait "$target_pid" || status=$?
	is "$1" $status 1
	note "$(tail -n 3 "$scratch_dir/target")"
}

# check_target DESCRIPTION: it has seen enough, and nothing wrong.
check_target() {
	kill "$target_pid"
	check_ended "$1" "$target_pid" "$scratch_dir/target"
}

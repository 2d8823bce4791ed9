# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-*.sh, after lib.sh: replicad on the simulated kernel
# (sim-kernel.h) and real NBD servers, all as processes on this machine.

export SIM_DIR=$scratch_dir
export REPLICA_SOCKET=$scratch_dir/control
state_dir=$scratch_dir/state
daemon_log=$scratch_dir/daemon.log
native_mib=8
requires_cmd nbdkit nbdcopy replicad-sim sim-ctl rpc-call

# What is still there at the end is killed: only what we started.
kill_pid() {
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	true
}

# make_volume NAME [MIB]: half full of random data
make_volume() {
	local bytes=$((${2-$native_mib} * 1048576))
	sim-ctl create "$1" $bytes ${3-} && sim-ctl write "$1" 0 $((bytes / 2)) ||
		bail "cannot make the volume $1"
}

# start_target NAME [NBDKIT-ARGUMENT...]: a file NAME.target behind nbdkit on
# the socket NAME.nbd; the file is kept. Sets target_pid.
start_target() {
	local name=$1
	shift
	[ -e "$scratch_dir/$name.target" ] ||
		truncate -s $((native_mib * 1048576 + 1048576)) \
			"$scratch_dir/$name.target"
	rm -f "$scratch_dir/$name.nbd"
	nbdkit -f -U "$scratch_dir/$name.nbd" --exit-with-parent \
		file "$scratch_dir/$name.target" "$@" 2>>"$scratch_dir/nbdkit.log" &
	target_pid=$!
	cleanup_fn kill_pid $target_pid
	wait_until 60 test -S "$scratch_dir/$name.nbd" || bail "no nbdkit"
}

# start_tcp_target NAME NBDKIT-ARGUMENT...: likewise on a port of 127.0.0.1. Sets
# port, target_pid.
start_tcp_target() {
	local i
	[ -e "$scratch_dir/$1.target" ] ||
		truncate -s $((native_mib * 1048576 + 1048576)) \
			"$scratch_dir/$1.target"
	for i in 1 2 3 4 5; do
		port=$((20000 + RANDOM % 10000))
		serve_tcp "$port" file "$scratch_dir/$1.target" "${@:2}" && return
	done
	bail "no nbdkit: $(cat "$scratch_dir/nbdkit.log")"
}

# serve_tcp PORT NBDKIT-ARGUMENT...: sets target_pid
serve_tcp() {
	nbdkit -f -i 127.0.0.1 -p "$1" --exit-with-parent --threads=4 "${@:2}" \
		2>>"$scratch_dir/nbdkit.log" &
	target_pid=$!
	cleanup_fn kill_pid $target_pid
	wait_until 60 listens_or_ends "$1" $target_pid &&
		kill -0 $target_pid
}

# listens_or_ends PORT PID: that process does, or is gone
listens_or_ends() {
	! kill -0 "$2" || ss -Hltn "sport = :$1" | grep -q .
}

uri_of() {
	echo "nbd+unix:///?socket=$scratch_dir/$1.nbd"
}

# begin_config, then configure NAME KEY=VALUE...; $daemon_options: more lines
begin_config() {
	printf '[replicad]\nstate_dir=%s\nreactors=%s\n%s' "$state_dir" \
		"${1-1}" "${daemon_options:+$daemon_options$'\n'}" >"$scratch_dir/conf"
}

configure() {
	local name=$1
	shift
	printf '%s\n' "[volume $name]" "target=$(uri_of "$name")" \
		heartbeat=200ms interval=20ms stale_wait=300ms "$@" \
		>>"$scratch_dir/conf"
}

# start_daemon: sets daemon_pid
start_daemon() {
	replicad-sim --config "$scratch_dir/conf" 2>>"$daemon_log" &
	daemon_pid=$!
	cleanup_fn kill_pid $daemon_pid
	wait_until 60 rpc-call status || bail "replicad does not answer: $(
		tail -n 3 "$daemon_log")"
}

# stop_daemon: cleanly; its status
stop_daemon() {
	kill -TERM $daemon_pid
	wait $daemon_pid
}

kill_daemon() {
	kill -KILL $daemon_pid
	wait $daemon_pid 2>/dev/null
}

# field VOLUME FIELD
field() {
	rpc-call get "$1" "$2"
}

field_is() {
	[ "$(field "$1" "$2")" = "$3" ]
}

# settled VOLUME: replicating, nothing dirty, no epoch open
settled() {
	field_is "$1" state replicating && field_is "$1" dirty_bytes 0 &&
		field_is "$1" epoch 0
}

wait_settled() {
	wait_until "${2-60}" settled "$1" && return
	rpc-call status
	tail -n 20 "$daemon_log"
	return 1
}

# same_image VOLUME: the target's data are the volume's
same_image() {
	cmp -n $((native_mib * 1048576)) "$scratch_dir/$1.img" \
		"$scratch_dir/$1.target"
}

replica_equals() {
	wait_settled "$@" && same_image "$1"
}

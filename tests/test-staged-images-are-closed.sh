#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The whole promise, from the kernel to the stage: if this fails, there was a
# moment at which a reader of the replica found no image, one that never was, or of
# an epoch another one than before. Chains of dependent writes go to two volumes;
# their images, newest and oldest, are looked at all the while, also in windows
# and while the server and the daemon are killed. DMR_SOAK_SECONDS=N makes each
# round that long.
# lab: fault timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-target.sh"
. "$(dirname "$0")/lib-watch.sh"
requires_cmd jq rpc-call replicad oracle-writer oracle-watch oracle-check
load_module --fault
modprobe -q dm-delay
seconds=${DMR_SOAK_SECONDS:-25}
RANDOM=${DMR_SEED:-1}

start_stage() {
	start_watched_stage 4 history=1h
}

# begin_round READ_MS "CONFIG" "WRITER" "WATCH"
nr=0
begin_round() {
	local name
	nr=$((nr + 1))
	watched=("a$nr" "b$nr") a=a$nr b=b$nr
	stage_dir=$scratch_dir/stage$nr
	mkdir "$stage_dir"
	start_stage
	for name in "${watched[@]}"; do
		make_null "$name-disk" 4
		make_dm "$name-slow" "$(delay_table "$name" "$1" 0)"
		make_replica "$name" "$(origin_of "$name")"
	done
	write_config "$2"
	# shellcheck disable=SC2086
	start_writer --seed $((${DMR_SEED:-0} + nr)) $3 -- "${watched[@]}"
	# shellcheck disable=SC2086
	start_watch $4
	start_daemon
}

write_config() {
	local name
	printf '%s\n' '[replicad]' "state_dir=$scratch_dir/ids"
	for name in "${watched[@]}"; do
		printf '%s\n' "[volume $name]" group=g \
			"target=$(uri_of "$name")" interval=200ms heartbeat=300ms
		tr ' ' '\n' <<<"$1"
	done
} >"$scratch_dir/conf"

# Every other time not before something was looked at.
kill_one() {
	local who=$((RANDOM % 3))
	[ $((RANDOM % 2)) = 0 ] || let_it_look
	[ $who = 0 ] || kill -KILL "$(cat "$daemon_pid_file")"
	if [ $who != 1 ]; then
		kill_pid "$plugin_pid"
		start_stage
	fi
	nr_kills=$((nr_kills + 1))
	sleep $((RANDOM % 3 + 1))
}

end_round() {
	note "$(rpc-call status | jq -c ".volumes[0] | {epochs_clean,
		epochs_partial, epochs_aborted, reconnects, commit_last_s}")"
	stop_writer
	check "$1: all is replicated" wait_until 90 settled
	check "  and is all that was written" images_are_current
	stop_watch "  each image was closed, at any moment"
	stop_daemon
	is "  the daemon ends well" $? 0
	stop_plugin
	is "  and the server" $? 0
	nothing_is_lost
	note "$SECONDS s"
}

begin_round 0 "" "--chains 4 --max 16384 --zero 5 --pause 4000" \
	"--images 5 --history 5"
paced "$seconds"
end_round "small epochs"

begin_round 0 "window=256KiB bandwidth=1MiB" \
	"--chains 4 --max 65536 --pause 10000" "--images 3 --behind 3"
paced "$seconds"
windows=$(rpc-call get "$a" epochs_partial)
check "windows were staged: $windows" test "$windows" -ge 1
end_round "catching up, in windows"

begin_round 0 "connections=3" "--chains 4 --max 16384 --pause 4000" \
	"--images 3 --history 3"
check "a first image" wait_until 60 nbdinfo "$(uri_of "$a@latest")"
paced $((seconds * 3 / 2)) kill_one
while [ "$nr_kills" -lt 3 ] && kill -0 "$watch_pid"; do
	kill_one
done
check "$nr_kills kills of the server, the daemon, or both" \
	test "$nr_kills" -ge 3
end_round "killed again and again"

# That it would be seen.
set_fault fault_no_preserve 1
begin_round 5 "" "--chains 4 --max 8192 --pause 1000" "--images 1000000000"
paced 60
set_fault fault_no_preserve 0
stop_watch "noticed: no preservation" 1
kill_pid "$writer_pid"
stop_daemon
check_dmesg
finish

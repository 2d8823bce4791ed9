#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a stage would refuse the data of all
# connections but one ("no hello"), or a single broken one would cost the image
# or a write.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_cmd python3

start_stage() {
	start_nbdkit "$scratch_dir/stage.nbd" "$plugin_so" "dir=$stage_dir" \
		history=1h "create=a:${native_mib}MiB:$scratch_dir/a.base"
	plugin_pid=$nbdkit_pid
}

image() {
	nbdcopy "nbd+unix:///a@latest?socket=$scratch_dir/stage.nbd" "$1"
}

equals() {
	wait_settled a "${1-60}" && image "$scratch_dir/image" &&
		cmp "$scratch_dir/a.img" "$scratch_dir/image"
}

live() {
	cat "$scratch_dir/live" 2>/dev/null
}

cut_one() {
	echo "$1" >"$scratch_dir/cut"
	wait_until 60 test ! -e "$scratch_dir/cut"
}

was_noticed() {
	[ "$(field a reconnects)" -gt "$1" ]
}

make_volume a
start_stage
python3 "$test_dir/relay.py" "$scratch_dir/a.nbd" "$scratch_dir/stage.nbd" \
	"$scratch_dir" &
cleanup_fn kill_pid $!
check "a relay" wait_until 60 test -S "$scratch_dir/a.nbd"
begin_config
configure a window=256KiB connections=4 stale_wait=1h # it needs none
start_daemon
check "the first sync" equals
is "over four connections" "$(field a connections)" 4
is "none was refused for want of a hello" \
	"$(grep -c 'no hello' "$plugin_log")" 0
is "it is known as a stage" "$(field a apply)" staged
is "that has an image" "$(field a replica_consistent)" true

sim-ctl storm a 6000 5 1000 &
storm=$!
cleanup_fn kill_pid $storm
for place in 0 1 2 3; do
	check "all are up again" wait_until 60 field_is a connections 4
	before=$(field a reconnects)
	check "the connection in place $place breaks" cut_one $place
	check "all are made anew" wait_until 60 was_noticed "$before"
	check "the image is there" image "$scratch_dir/image"
done
for i in 1 2 3; do
	kill_pid $plugin_pid
	start_stage
	check "kill -9 of the server: the image is there" \
		image "$scratch_dir/image"
	check "and is said to be" field_is a replica_consistent true
	kill_daemon
	start_daemon
	check "kill -9 of the daemon: it goes on" \
		wait_until 60 field_is a connections 4
done
kill_pid $storm
check "in the end the image is the volume" equals
is "and a session was always said first" \
	"$(grep -c 'no hello' "$plugin_log")" 0
stop_daemon
is "a clean stop of the daemon" $? 0
stop_plugin
is "and of the server" $? 0
finish

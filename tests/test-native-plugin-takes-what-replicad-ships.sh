#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the daemon and the plugin would not fit
# together, or a kill -9 of either would cost a write or the consistent image.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_stage() {
	start_nbdkit "$scratch_dir/a.nbd" "$plugin_so" "dir=$stage_dir" \
		history=1h "create=a:${native_mib}MiB:$scratch_dir/a.base"
	plugin_pid=$nbdkit_pid
}

image() {
	nbdcopy "nbd+unix:///a@latest?socket=$scratch_dir/a.nbd" "$1"
}

equals() {
	wait_settled a "${1-20}" && image "$scratch_dir/image" &&
		cmp "$scratch_dir/a.img" "$scratch_dir/image"
}

make_volume a
start_stage
begin_config
configure a window=512KiB connections=1
start_daemon
check "the first sync" equals
is "the daemon says that it is consistent" "$(field a replica_consistent)" true

sim-ctl storm a 8000 5 1500 &
storm=$!
cleanup_fn kill_pid $storm
killed_with_image=0
for i in 1 2 3 4 5; do
	sleep 0.$((RANDOM % 6 + 2))
	kill_pid $plugin_pid
	start_stage
	image "$scratch_dir/image" && killed_with_image=$((killed_with_image + 1))
	sleep 0.$((RANDOM % 6 + 2))
	kill_daemon
	start_daemon
done
is "there was an image after each kill" $killed_with_image 5
wait $storm
check "after five kills of each the image is the volume" equals 60
sim-ctl write a 0 65536 9
check "and after one more write" equals

kill_pid $plugin_pid
sim-ctl write a 65536 65536 9
check "the server is gone: it says so" wait_until 60 field_is a state connecting
kill_daemon
start_daemon
start_stage
check "both were gone" equals 60
history=$(nbdinfo --list "nbd+unix:///?socket=$scratch_dir/a.nbd" |
	grep -c '^export="a@[0-9]')
check "epochs of the storm can be opened ($history)" test "$history" -ge 3
stop_daemon
is "a clean stop of the daemon" $? 0
stop_plugin
is "and of the server" $? 0
finish

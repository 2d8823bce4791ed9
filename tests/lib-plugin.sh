# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-plugin-*.sh, after lib.sh: nbdkit with our plugin, and a
# primary in Python (plugin_client.py). Volumes have 8 MiB.

plugin_so=${PLUGIN_SO-$top_dir/daemon/nbdkit-replica-plugin.so}
plugin_log=$scratch_dir/plugin.log
export PLUGIN_SOCKET=$scratch_dir/plugin.sock
export PYTHONPATH=$test_dir PYTHONDONTWRITEBYTECODE=1
stage_dir=$scratch_dir/stage
vol_size=8MiB
mkdir "$stage_dir"
requires_cmd nbdkit nbdinfo nbdcopy qemu-img
python=/usr/bin/python3	# the one that python3-libnbd is for
$python -c 'import nbd' 2>/dev/null || skip_all "needs python3-libnbd"
[ -e "$plugin_so" ] || skip_all "needs $plugin_so"

kill_pid() {
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	true
}

# start_nbdkit SOCKET ARGUMENT...: sets nbdkit_pid
start_nbdkit() {
	local socket=$1
	shift
	rm -f "$socket"
	${PLUGIN_PRELOAD:+env LD_PRELOAD=$PLUGIN_PRELOAD} \
		nbdkit -f -U "$socket" --exit-with-parent "$@" 2>>"$plugin_log" &
	nbdkit_pid=$!
	cleanup_fn kill_pid $nbdkit_pid
	wait_until 60 test -S "$socket" ||
		bail "no nbdkit: $(tail -n 3 "$plugin_log")"
}

# start_plugin [ARGUMENT...]: the volume "vol", of which nothing is kept but
# what history= says. Sets plugin_pid.
start_plugin() {
	start_nbdkit "$PLUGIN_SOCKET" "$plugin_so" "dir=$stage_dir" \
		"create=vol:$vol_size:$scratch_dir/vol.base" "$@"
	plugin_pid=$nbdkit_pid
}

uri() {
	echo "nbd+unix:///$1?socket=$PLUGIN_SOCKET"
}

# primary <<EOF: Python, with plugin_client; its last line is "print(...)" or
# asserts.
primary() {
	$python -c "from plugin_client import *
$(cat)"
}

# start_primary, likewise: in the background, sets primary_pid
start_primary() {
	local script
	script=$(cat)
	$python -c "from plugin_client import *
$script" &
	primary_pid=$!
	cleanup_fn kill_pid $primary_pid
}

# says REGEX: the plugin has logged it
says() {
	wait_until 60 grep -qE -- "$1" "$plugin_log" ||
		{ tail -n 20 "$plugin_log"; return 1; }
}

# stop_plugin: cleanly; its status
stop_plugin() {
	kill -TERM $plugin_pid
	wait $plugin_pid
}

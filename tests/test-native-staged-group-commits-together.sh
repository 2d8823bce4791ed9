#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of two volumes in a group one could be
# ahead of the other in an image of the stage: the newest, at any moment, or one
# of the history; or a group could not be shipped over several connections.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_group() {
	start_nbdkit "$scratch_dir/a.nbd" "$plugin_so" "dir=$stage_dir" \
		history=1h "create=g/a:${native_mib}MiB:$scratch_dir/a.base" \
		"create=g/b:${native_mib}MiB:$scratch_dir/b.base"
	plugin_pid=$nbdkit_pid
}

image() {
	nbdcopy "nbd+unix:///$1?socket=$scratch_dir/a.nbd" "$2"
}

same() {
	image "$1@latest" "$scratch_dir/image" &&
		cmp "$scratch_dir/$1.img" "$scratch_dir/image"
}

both_equal() {
	wait_settled a 60 && wait_settled b 60 && same a && same b
}

# The numbers in the images of the epochs that both have, newest first.
export PLUGIN_SOCKET=$scratch_dir/a.nbd
check_history() {
	primary <<'END'
import subprocess
listing = subprocess.run(
    ["nbdinfo", "--list", "nbd+unix:///?socket=" + SOCKET],
    capture_output=True, text=True).stdout
epochs = [{line[line.index("@") + 1:].split('"')[0]
           for line in listing.splitlines()
           if line.startswith('export="%s@' % name)} for name in "ab"]
both = sorted(int(e) for e in epochs[0] & epochs[1] if e.isdigit())
numbers = []
for epoch in both:
    n = [struct.unpack("<Q", connect("%s@%d" % (name, epoch)).pread(8, 0))[0]
         for name in "ab"]
    assert n[0] - n[1] in (0, 1), (epoch, n)
    numbers.append(n[0])
assert numbers == sorted(numbers), numbers
assert len(set(numbers)) > 3, numbers
END
}

make_volume a
make_volume b
# Both begin with the number 0.
for v in a b; do
	dd if=/dev/zero of="$scratch_dir/$v.img" bs=4096 count=1 conv=notrunc \
		status=none
done
start_group
begin_config
uri_of() {
	echo "nbd+unix:///$1?socket=$scratch_dir/a.nbd"
}
configure a group=g window=512KiB
configure b group=g window=512KiB
start_daemon
check "both are replicated" both_equal
is "over four connections each" "$(field a connections) $(field b connections)" \
	"4 4"
sim-ctl pair a b 1000000 300 &
storm=$!
cleanup_fn kill_pid $storm
check "there is a history" wait_until 60 check_history
for i in 1 2 3 4; do
	sleep 0.$((RANDOM % 5 + 3))
	kill_pid $plugin_pid
	start_group
	check "kill -9 of the server, $i: no image is ahead" check_history
	kill_daemon
	start_daemon
	check "kill -9 of the daemon, $i: it goes on" wait_until 60 \
		field_is b state replicating
	check "no image is ahead" check_history
done
kill_pid $storm
check "in the end both are equal" both_equal
is "at the same epoch" "$(field a last_committed)" "$(field b last_committed)"
rpc-call resync '{"volume": "a"}' >/dev/null
compared() {
	field_is a comparing false
}
check "one of them is resynced" wait_until 60 compared
check "and both are equal" both_equal
stop_daemon
is "a clean stop" $? 0
finish

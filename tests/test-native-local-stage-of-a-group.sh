#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of two volumes in a group on a stage of
# replicad's own one could be ahead of the other in an image, or they could be
# taken for volumes without a group.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"

serve() {
	start_nbdkit "$scratch_dir/a.nbd" "$plugin_so" "dir=$stage_dir" \
		history=1h
	plugin_pid=$nbdkit_pid
}

image() {
	nbdcopy "nbd+unix:///$1?socket=$scratch_dir/a.nbd" "$2"
}

# The number in the first 8 bytes.
number_of() {
	od -A n -t u8 -N 8 "$1" | tr -d ' '
}

# "a" is written before "b".
neither_is_ahead() {
	image a@latest "$scratch_dir/a.image" &&
		image b@latest "$scratch_dir/b.image" &&
		local a b
	a=$(number_of "$scratch_dir/a.image")
	b=$(number_of "$scratch_dir/b.image")
	echo "# $a $b"
	[ "$a" = "$b" ] || [ "$a" = $((b + 1)) ]
}

same() {
	image "$1@latest" "$scratch_dir/image" &&
		cmp "$scratch_dir/$1.img" "$scratch_dir/image"
}

make_volume a
make_volume b
for v in a b; do	# both begin with the number 0
	dd if=/dev/zero of="$scratch_dir/$v.img" bs=4096 count=1 conv=notrunc \
		status=none
done
begin_config
for v in a b; do
	configure $v group=g window=512KiB \
		"target=stage:$stage_dir/$v?history=1h&base=$scratch_dir/$v.base"
done
start_daemon
check "both are replicated" wait_settled a 60
check "both" wait_settled b 60
sim-ctl pair a b 1000000 300 &
storm=$!
cleanup_fn kill_pid $storm
for i in 1 2 3 4; do
	sleep 0.$((RANDOM % 5 + 3))
	kill_daemon
	serve
	check "kill -9, $i: no image is ahead" neither_is_ahead
	stop_plugin
	start_daemon
	check "it goes on" wait_until 60 field_is b state replicating
done
kill_pid $storm
check "one settles" wait_settled a 60
check "and so does the other" wait_settled b 60
is "at the same epoch" "$(field a last_committed)" "$(field b last_committed)"
stop_daemon
is "a clean stop" $? 0
serve
check "one is the volume" same a
check "and so is the other" same b
finish

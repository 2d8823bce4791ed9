#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a volume that is made larger would be
# shipped over the end of its replica, would lose the history that it has, or
# would not be replicated any more.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

target="stage:$stage_dir/a?base=$scratch_dir/a.base&history=1h"
mib=1048576

# The replica is the volume, which has so many MiB.
is_whole() {
	wait_settled a 60 && [ "$(field a size_bytes)" = $(($1 * mib)) ] &&
		replicactl test a --no-attach --name now >/dev/null &&
		nbdcopy "$(uri_of_test now)" "$scratch_dir/image" &&
		replicactl test --drop now >/dev/null &&
		cmp -n $(($1 * mib)) "$scratch_dir/a.img" "$scratch_dir/image"
}

uri_of_test() {
	echo "nbd+unix:///?socket=$state_dir/tests/$1.sock"
}

make_volume a
begin_config
configure a window=256KiB "target=$target" metadata=/dev/meta
start_daemon
wait_settled a || bail "no first sync"
write_epoch 0 65536 1
one=$(committed)
now_image "$scratch_dir/one"
refuses "its origin has no more" "no more than 8388608 bytes" replicactl extend a
check "nothing has changed" is_whole 8

check "a test device of before" replicactl test a --no-attach --name old \
	--epoch "$one"
touch "$scratch_dir/a.small"
sim-ctl origin a $((12 * mib))
refuses "no room for its metadata" "metadata device is too small" \
	replicactl extend a
check "it goes on as it was" is_whole 8
rm "$scratch_dir/a.small"
check "a larger origin is taken up" eval "replicactl extend a |
	grep 'grown from 8.0 MiB to 12.0 MiB'"
check "all of it is shipped" is_whole 12
sim-ctl write a $((11 * mib)) 65536 4
check "also what is new" is_whole 12
check "the test device goes on" eval "nbdcopy '$(uri_of_test old)' \
	$scratch_dir/image && cmp $scratch_dir/one $scratch_dir/image"
check "another of that epoch" replicactl test a --no-attach --name older \
	--epoch "$one"
check "begins as it was" eval "nbdcopy '$(uri_of_test older)' \
	$scratch_dir/image && cmp -n $((8 * mib)) $scratch_dir/one $scratch_dir/image"
replicactl test --drop old >/dev/null
replicactl test --drop older >/dev/null

# Under load, by a table that somebody has loaded; the end is no whole chunk.
sim-ctl storm a 3000 5 500 2048 &
storm=$!
cleanup_fn kill_pid $storm
sim-ctl grow a $((14 * mib + 2560))
wait $storm
sim-ctl grow a $((16 * mib))
check "it is noticed" wait_until 60 field_is a size_bytes $((16 * mib))
check "all of it is shipped" is_whole 16
# Somebody reads a view of before: what is shipped would end there.
touch "$scratch_dir/a.shown"
sim-ctl origin a $((17 * mib))
refuses "its view is in use" "a view that is in use" replicactl extend a
says_it() {
	field_is a state error && [[ $(field a reason) =~ "view that is in use" ]]
}
check "the state says so" wait_until 60 says_it
is "what is shipped has the old size" "$(field a size_bytes)" $((16 * mib))
rm "$scratch_dir/a.shown"
check "it grows by itself when that is over" wait_until 60 field_is a \
	size_bytes $((17 * mib))
check "all of it is shipped" is_whole 17
refuses "no volume of that name" "no volume b" replicactl extend b
stop_daemon
is "a clean stop" $? 0
finish

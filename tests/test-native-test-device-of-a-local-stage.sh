#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a replica in a stage of replicad's own could
# not be tried out; or trying would stop replication, show another epoch than the
# one that was asked for, or hold the applier when nobody uses it any more.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

stage="stage:$stage_dir/a"
target="$stage?base=$scratch_dir/a.base&log=32MiB"

pinned_is() {
	[ "$(pinned)" = "$1" ]
}

# configure_a HISTORY
configure_a() {
	begin_config
	configure a window=256KiB "target=$target&history=$1"
}

make_volume a
configure_a 1h
start_daemon
wait_settled a || bail "no first sync"
write_epoch 0 1048576 1
one=$(committed)
now_image "$scratch_dir/one"
write_epoch 524288 1048576 2
two=$(committed)
now_image "$scratch_dir/two"

check "a device of the newest image" make_test a --name new
is "it says which epoch that is" "$(jq .epoch "$scratch_dir/json")" "$two"
check "and is it" test_equals new "$scratch_dir/two"
check "as of an epoch" make_test a --epoch "$one"
check "and it is" test_equals "a-$one" "$scratch_dir/one"
is "what they pin is their epochs" "$(pinned)" "[$one,$two]"
check "all is told" test_is new ".state == \"ready\" and .epoch == $two and
	.volume == \"a\" and .size_bytes == 8388608 and .device == null"
check "it can be written" at_test new \
	'h.pwrite(b"x" * 4096, 8192); h.flush()'
check "and keeps that, between two connections" at_test new \
	'assert h.pread(4096, 8192) == b"x" * 4096'
check "not past its end" at_test new '
try:
	h.pread(4096, 8388608)
	assert False
except nbd.Error:
	pass'

sim-ctl storm a 1000000 5 300 &
storm=$!
cleanup_fn kill_pid $storm
check "replication goes on" wait_until 60 rises a last_committed $((two + 5))
check "they are what they were" test_equals "a-$one" "$scratch_dir/one"
check "a device in the middle of it" make_test a --name middle
check "holds still" nbdcopy "$(uri_of_test middle)" "$scratch_dir/middle"
check "really" wait_until 60 rises a last_committed \
	$(($(field a last_committed) + 5))
check "it does" test_equals middle "$scratch_dir/middle"
kill_pid $storm
check "dropped" replicactl test --drop middle
wait_settled a 60 || bail "it does not settle"

refuses "an epoch to come" "there is no epoch 4000000000 yet" \
	make_test a --epoch 4000000000
refuses "a name that is there" "there is a test device new" \
	make_test a --name new
check "of the stage, without its options" make_test --target "$stage" \
	--epoch "$two" --name direct
check "it is the same" test_equals direct "$scratch_dir/two"
check "dropped" replicactl test --drop direct
refuses "one that is not there" "no volume b" make_test \
	--target "stage:$stage_dir/b"
mkdir "$scratch_dir/other"
refuses "a stage that is not there" "has no volume|No such file" make_test \
	--target "stage:$scratch_dir/other/a"

victim=$(pgrep -P $daemon_pid -f tests/new.sock)
kill -KILL "$victim"
check "an nbdkit that is killed is told" wait_until 60 test_is new \
	'.state == "ended" and (.reason | test("signal 9"))'
check "it pins nothing" wait_until 60 pinned_is "[$one]"
check "and is dropped" replicactl test --drop new

# The log is full: the history that a test device holds goes last, but goes.
check "it is written to" at_test "a-$one" 'h.pwrite(b"x" * 65536, 0)'
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	sim-ctl write a 0 4194304 $i
	wait_until 60 settled a || break
done
check "a full log: replication has gone on" settled a
check "though the image had to go" wait_until 60 test_is "a-$one" \
	'.state == "broken" and (.reason | test("the log was full"))'
refuses "what was not written cannot be read" "Input/output error" \
	at_test "a-$one" 'h.pread(4096, 4194304)'
check "what was written can" at_test "a-$one" \
	'assert h.pread(4096, 0) == b"x" * 4096'
check "dropped" replicactl test --drop "a-$one"

check "one that is there when replicad is killed" make_test a --name last
kill_daemon
check "no nbdkit is left" wait_until 60 eval \
	"! pgrep -f '$state_dir/tests/'"
start_daemon
is "the next daemon knows none" "$(replicactl test --names)" ""
check "nothing is pinned" wait_until 60 pinned_is "[]"
check "replication goes on" wait_settled a 60

# No history but what somebody holds.
stop_daemon
configure_a 0
start_daemon
wait_settled a 60 || bail "it does not settle"
check "a device, without a history" make_test a --name only
held=$(jq .epoch "$scratch_dir/json")
now_image "$scratch_dir/only"
check "the volume goes on" write_epoch 0 1048576 77
check "its epoch stays" pinned_is "[$held]"
check "and the device is as it was" test_equals only "$scratch_dir/only"
check "dropped" replicactl test --drop only
gone() {
	replicactl history a --json |
		json_holds "[.epochs[].epoch] | length == 1 and .[0] > $held"
}
check "then it goes" wait_until 60 gone
check "one more" make_test a --name end
stop_daemon
is "a clean stop" $? 0
is "ends it, too" "$(ls "$state_dir/tests" | wc -l)" 0

start_stage
check "and the stage can be had" test -S "$scratch_dir/a.nbd"
stop_plugin
finish

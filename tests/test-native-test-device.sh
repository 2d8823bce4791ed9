#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the replica could not be tried out as of a
# moment, or trying would stop replication, change the replica, or go on holding
# the applier when nobody uses it any more.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

# An image that is open is closed when its server has noticed that.
pinned_is() {
	[ "$(pinned)" = "$1" ]
}

start_pair history=1h
write_epoch 0 1048576 1
one=$(committed)
now_image "$scratch_dir/one"
sleep 1.1	# so that a time in whole seconds lies between them
middle=$(date +%s)
write_epoch 524288 1048576 2
two=$(committed)
now_image "$scratch_dir/two"

check "a device of the newest image" make_test a --name new
is "it says which epoch that is" "$(jq .epoch "$scratch_dir/json")" "$two"
check "and is it" test_equals new "$scratch_dir/two"
check "as of an epoch" make_test a --epoch "$one"
is "its name says so" "$(jq -r .name "$scratch_dir/json")" "a-$one"
check "and it is" test_equals "a-$one" "$scratch_dir/one"
check "as of a time" make_test a --at "@$middle" --name middle
is "the newest image that is not younger" \
	"$(jq .epoch "$scratch_dir/json")" "$one"
is "what they pin is their epochs" "$(pinned)" "[$one,$two]"
check "replication goes on" write_epoch 0 65536 3
check "it can be written" at_test new \
	'h.pwrite(b"x" * 4096, 8192); h.flush()'
check "and keeps that, between two connections" at_test new \
	'assert h.pread(4096, 8192) == b"x" * 4096'
nbdcopy "$(stage_uri "a@$two")" "$scratch_dir/again"
check "the replica is not changed" cmp "$scratch_dir/two" "$scratch_dir/again"
check "no other test device either" test_equals middle "$scratch_dir/one"
check "all is told" test_is new ".state == \"ready\" and .epoch == $two and
	.volume == \"a\" and .size_bytes == 8388608 and .device == null"
is "by name, too" "$(replicactl test --names | sort | tr '\n' ' ')" \
	"a-$one middle new "

refuses "a name that is there" "there is a test device new" \
	make_test a --name new
refuses "a name that is a path" "not a name" make_test a --name ../x
refuses "an epoch to come" "there is no epoch 4000000000 yet" \
	make_test a --epoch 4000000000
refuses "a time before all" "does not go back that far" \
	make_test a --at @1000
refuses "a volume that is not there" "no volume b" make_test b
refuses "one that cannot be dropped" "no test device x" \
	replicactl test --drop x
is "none of these left anything" "$(ls "$state_dir/tests" | wc -l)" 9

check "dropped" replicactl test --drop new
is "it is gone" "$(replicactl test --names | sort | tr '\n' ' ')" "a-$one middle "
check "and its pin" wait_until 60 pinned_is "[$one]"
is "and its files" "$(ls "$state_dir/tests" | wc -l)" 6

check "of a server that replicad does not know" make_test \
	--target "$(stage_uri a)" --epoch "$two" --name direct
check "it is the same" test_equals direct "$scratch_dir/two"

victim=$(pgrep -P $daemon_pid -f tests/direct.sock)
kill -KILL "$victim"
check "an nbdkit that is killed is told" wait_until 60 test_is direct \
	'.state == "ended" and (.reason | test("signal 9"))'
check "and dropped" replicactl test --drop direct

kill_daemon
check "killed: no nbdkit is left" wait_until 60 eval \
	"! pgrep -f '$state_dir/tests/'"
start_daemon
is "the next daemon knows none" "$(replicactl test --names)" ""
is "and has cleaned up" "$(ls "$state_dir/tests" | wc -l)" 0
check "nothing is pinned" wait_until 60 pinned_is "[]"

check "one more" make_test a --name last
stop_daemon
is "a clean stop" $? 0
check "ends it, too" wait_until 60 eval "! pgrep -f '$state_dir/tests/'"
is "with its files" "$(ls "$state_dir/tests" | wc -l)" 0

# An nbdkit that did not hear of its parent's end, and its record.
echo '{"device": null}' >"$state_dir/tests/lost.json"
nbdkit -f -U "$state_dir/tests/lost.sock" null 1M &
lost=$!
cleanup_fn kill_pid $lost
wait_until 60 test -S "$state_dir/tests/lost.sock"
start_daemon
check "a left-over is ended by the next daemon" wait_until 60 eval \
	"! kill -0 $lost"
is "with its files" "$(ls "$state_dir/tests" | wc -l)" 0
check "and the image is what it should be" cmp "$scratch_dir/two" "$scratch_dir/again"
stop_daemon
is "a clean stop" $? 0
finish

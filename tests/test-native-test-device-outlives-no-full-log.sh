#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a forgotten test device would stop
# replication when the log is full; or one whose image had to go for that would
# be read as if it were whole.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

broken() {
	test_is "$1" '.state == "broken"'
}

# of_test NAME PYTHON: h is a connection to it.
of_test() {
	$python -m nbd -u "nbd+unix:///?socket=$state_dir/tests/$1.sock" -c "$2"
}

start_pair history=1h log=32MiB
write_epoch 0 1048576 1
check "a test device" replicactl test a --no-attach --name old
check "that is written to" of_test old 'h.pwrite(b"x" * 65536, 0)'
check "is ready" test_is old '.state == "ready"'
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
	sim-ctl write a 0 4194304 $i
	wait_until 60 settled a || break
done
check "replication has gone on" settled a
check "though the image had to go" wait_until 60 broken old
check "the reason is told" test_is old '.reason | test("the log was full")'
refuses "what was not written cannot be read" "Input/output error" \
	of_test old 'h.pread(4096, 4194304)'
check "what was written can" of_test old \
	'assert h.pread(4096, 0) == b"x" * 4096'
check "a new one is as good as ever" replicactl test a --no-attach --name new
check "and can be read" of_test new 'h.pread(4096, 4194304)'
check "it is ready" test_is new '.state == "ready"'
check "the broken one can be dropped" replicactl test --drop old
kill_pid $plugin_pid
check "the target is gone: it is told" wait_until 60 test_is new \
	'.state == "unknown"'
start_stage history=1h log=32MiB
check "it is back, but nothing holds the image" wait_until 60 test_is new \
	'.state == "broken" and (.reason | test("restarted"))'
check "dropped" replicactl test --drop new
stop_daemon
is "a clean stop" $? 0
finish

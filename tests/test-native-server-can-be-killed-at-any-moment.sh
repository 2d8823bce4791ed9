#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a server that dies or reports errors in the
# middle of an epoch would cost a write, or the daemon would not come back to it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

make_volume a
start_target a
begin_config
configure a window=512KiB stale_wait=100ms bandwidth=4MiB
start_daemon
sim-ctl storm a 4000 6 2000 &
storm=$!
cleanup_fn kill_pid $storm
for i in 1 2 3 4 5; do
	sleep 0.$((RANDOM % 8 + 1))
	kill_pid $target_pid
	start_target a
	check "kill $i: it connects again" wait_until 60 eval \
		"[ \$(field a reconnects) -ge $i ]"
done
wait $storm
check "after five kills the replica is the volume" replica_equals a

kill_pid $target_pid
start_target a --filter=error error-pwrite-rate=0.5%
sim-ctl storm a 300 8 1000
check "errors of writes are survived" replica_equals a 60
kill_pid $target_pid
start_target a
check "and a good server again" replica_equals a
finish

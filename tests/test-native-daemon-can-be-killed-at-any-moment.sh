#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: kill -9 of the daemon would lose a write,
# use an epoch number twice, or leave something that keeps the next from working.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

make_volume a
# nbdkit before 1.34 can abort when a client dies with several requests under way.
start_target a --threads=1
begin_config
configure a window=512KiB stale_wait=100ms bandwidth=4MiB
start_daemon
sim-ctl storm a 4000 5 2000 &
storm=$!
cleanup_fn kill_pid $storm

# Every other time with an epoch open, if it does not end meanwhile.
is_shipping() {
	[ "$(sim-ctl get a epoch)" != 0 ]
}
aborts() {
	sim-ctl get a aborts
}
for ((i = 1; i <= 6 || (i <= 30 && $(aborts) == 0); i++)); do
	sleep 0.$((RANDOM % 8 + 1))
	[ $i -le 6 ] || sim-ctl write a 0 4194304 $i
	[ $((i % 2)) = 0 ] || wait_until 5 is_shipping
	kill_daemon
	start_daemon
done
wait $storm
check "after six kills the replica is the volume" replica_equals a
check "epochs were aborted on the way" test "$(aborts)" -gt 0
is "the highest number was committed last" "$(sim-ctl get a highest)" \
	"$(sim-ctl get a committed)"
kill_pid $target_pid
sim-ctl write a 0 65536 9
check "the target is gone: it says so" wait_until 60 field_is a state connecting
kill_daemon
start_daemon
start_target a
check "both were gone" replica_equals a
finish

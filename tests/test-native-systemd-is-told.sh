#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, systemd would take replicad for ready before it serves, or kill it
# because no sign of life came.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd python3
told=$scratch_dir/told

# listen ADDRESS: what comes is appended to $told, a line for each
listen() {
	python3 -c '
import os, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1].replace("@", "\0", 1))
open(sys.argv[2], "w").close()
while True:
    with open(sys.argv[2], "a") as f:
        f.write(s.recv(100).decode() + "\n")' "$1" "$told" &
	cleanup_fn kill_pid $!
	wait_until 60 test -e "$told" || bail "nobody listens"
}
has_told() {
	[ "$(grep -cx "$1" "$told")" -ge "$2" ]
}
make_volume a
start_target a
begin_config
configure a
for address in "$scratch_dir/notify" "@dm-replica-test-$$"; do
	rm -f "$told"
	listen "$address"
	export NOTIFY_SOCKET=$address WATCHDOG_USEC=400000
	start_daemon
	check "it is ready" wait_until 60 has_told READY=1 1
	check "signs of life" wait_until 60 has_told WATCHDOG=1 3
	is "ready is the first word" "$(head -n 1 "$told")" READY=1
	stop_daemon
	is "it stops" $? 0
	check "and says so" wait_until 60 has_told STOPPING=1 1
done
rm -f "$told"
listen "$scratch_dir/notify2"
export NOTIFY_SOCKET=$scratch_dir/notify2
unset WATCHDOG_USEC
start_daemon
check "it is ready" wait_until 60 has_told READY=1 1
check "it replicates" wait_settled a
stop_daemon
is "no sign of life is sent that nobody waits for" "$(grep -c WATCHDOG "$told")" 0
export NOTIFY_SOCKET=$scratch_dir/nobody
start_daemon
check "nobody listens: it runs all the same" wait_settled a
stop_daemon
is "and stops" $? 0
finish

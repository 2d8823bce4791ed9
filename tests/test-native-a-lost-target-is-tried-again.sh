#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a target that does not answer would not be
# tried again as often as retry_max says, or one that is gone for long as often as
# at first.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

tries() {
	grep -c . "$scratch_dir/$1.tries" 2>/dev/null
}

for v in a b; do
	make_volume $v 1
	python3 - "$scratch_dir/$v.nbd" "$scratch_dir/$v.tries" <<'EOP' &
import socket, sys
with socket.socket(socket.AF_UNIX) as s, open(sys.argv[2], "w") as log:
    s.bind(sys.argv[1])
    s.listen(8)
    while True:
        s.accept()[0].close()
        print("try", file=log, flush=True)
EOP
	cleanup_fn kill_pid $!
	wait_until 60 test -S "$scratch_dir/$v.nbd" || bail "no listener"
done
begin_config
configure a retry_max=100ms
configure b
start_daemon
check "one is tried again and again" wait_until 60 eval '[ $(tries a) -ge 60 ]'
check "the other one, too, and less and less often" eval \
	'[ $(tries b) -ge 2 ] && [ $(tries b) -le 20 ]'
note "$(tries a) and $(tries b) times"
is "it waits for it" "$(field b state)" connecting
stop_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a server that has no replicad beside it, or
# one that does not answer, would hang or end when the other side asks for a verb,
# or not say why nothing was done.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

says() {
	grep -qE -- "$1" "$scratch_dir/says"
}
# ask: a message is written to @verbs, and read
ask() {
	timeout 60 $python - "$(uri @verbs)" >"$scratch_dir/says" 2>&1 <<'END'
import nbd, sys
h = nbd.NBD()
h.connect_uri(sys.argv[1])
message = b'{"dm_replica_verbs": 1}'
h.pwrite(message + bytes(512 - len(message)), 0)
print(h.pread(512, 0).rstrip(b"\0").decode())
END
}
lives() {
	kill -0 "$plugin_pid" && nbdinfo --size "$(uri vol)" >/dev/null
}

start_plugin
check "without verbs= there is no such export" eval '! ask'
check "  the client is told" says 'not known|unknown|no (such )?(volume|export)|not found'
check "  it is not listed" eval '! nbdinfo --list "$(uri "")" | grep -q @verbs'
check "  and the server lives" lives
kill_pid $plugin_pid

id=00112233445566778899aabbccddeeff
start_plugin pair=$id "verbs=$scratch_dir/nobody"
check "with nobody at the socket: an error" eval '! ask'
check "  the log says why" wait_until 60 grep -q "replicad: its control socket: No such file" \
	"$plugin_log"
check "  and the server lives" lives

# One that takes a message, and does not answer until it is gone.
$python - "$scratch_dir/nobody" <<'END' &
import socket, sys
with socket.socket(socket.AF_UNIX) as s:
    s.bind(sys.argv[1])
    s.listen(1)
    c = s.accept()[0]
    c.recv(100)
    c.close()
END
peer=$!
cleanup_fn kill_pid $peer
wait_until 60 test -S "$scratch_dir/nobody"
check "killed amid it: an error" eval '! ask'
check "  the log says why" wait_until 60 grep -q "replicad: no answer: Connection reset" \
	"$plugin_log"
check "  and the server lives" lives
finish

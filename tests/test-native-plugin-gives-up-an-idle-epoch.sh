#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a primary that opens an epoch and then says
# nothing for ever would hold room in the log; or would not be told, later, why
# its data is refused.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_plugin history=1h open_timeout=10s
start_primary <<'EOP'
import os, time
p = Primary().hello()
p.whole(1, 0, 1, 4)
p.open(2)
p.write(0, 2)
print("open", file=open(SOCKET + ".open", "w"), flush=True)
while not os.path.exists(SOCKET + ".go"):
    time.sleep(0.1)
said = error_of(p.write, 1, 2), error_of(p.commit, 2)
print(*said, file=open(SOCKET + ".said", "w"), flush=True)
p.whole(3, 5, 3)
print("done", file=open(SOCKET + ".done", "w"), flush=True)
EOP
check "an epoch is open" wait_until 60 test -s "$PLUGIN_SOCKET.open"
above() {
	nbdcopy "$(uri vol@above)" "$scratch_dir/list" &&
		test "$(od -An -tu8 -j32 -N8 "$scratch_dir/list")" -eq "$1"
}
check "nothing comes: what it had is gone" wait_until 60 above 0
touch "$PLUGIN_SOCKET.go"
check "later data and the commit" wait_until 60 test -s "$PLUGIN_SOCKET.said"
is "are refused" "$(cat "$PLUGIN_SOCKET.said")" "EIO EIO"
check "with the reason" says \
	"vol: epoch 2 was dropped: nothing came for 10000 ms"
check "the next epoch is taken" wait_until 60 test -s "$PLUGIN_SOCKET.done"
check "and shown" primary <<'EOP'
h = connect("vol@latest")
assert h.pread(1, 0) == b"\1" and h.pread(1, 5 * CHUNK) == b"\3"
EOP
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the plugin would read or write what is not
# its own, or forget memory with each connection.
. "$(dirname "$0")/lib.sh"
plugin_so=$top_dir/build/san/nbdkit-replica-plugin.so
asan=$(gcc -print-file-name=libasan.so 2>/dev/null)
[ -e "$asan" ] || skip_all "needs libasan"
PLUGIN_SO=$plugin_so PLUGIN_PRELOAD=$asan
. "$(dirname "$0")/lib-plugin.sh"

export UBSAN_OPTIONS=halt_on_error=1
start_plugin history=1h parallel=yes connections=20
check "all that there is, at once" primary <<'EOP'
import threading
p = Primary().hello()
p.whole(1, 0, 65, 100)
stop = []
def read(name):
    while not stop:
        try:
            read_all(name)
        except nbd.Error:
            pass
        error_of(connect, "vol@" + "x" * 3000)
        error_of(connect, "\x01\\" * 1000)
names = "vol vol@1 vol@latest vol@sum vol@above vol@above@1".split()
threads = [threading.Thread(target=read, args=(n,)) for n in names]
for t in threads:
    t.start()
for epoch in range(2, 60):
    p.open(epoch)
    for i in range(10):
        p.write(epoch * 7 + i * 9, epoch, 3)
    p.zero(epoch, 20)
    extents = []
    p.h.block_status(8 * MIB, 0, lambda c, o, e, err: extents.extend(e))
    error_of(p.h.pwrite, bytes(1000), 77)
    error_of(p.h.pread, 4096, p.h.get_size() - 100)
    p.commit(epoch)
stop.append(1)
for t in threads:
    t.join()
EOP
stop_plugin
is "the server ends cleanly" $? 0
is "no complaint" "$(grep -cE 'Sanitizer|runtime error' "$plugin_log")" 0

# nbdkit waits for open connections for some seconds, then it leaves them as they
# are: what they hold is no leak of the plugin's.
export ASAN_OPTIONS=detect_leaks=0
start_plugin history=1h parallel=yes connections=20
check "some are open at the end" primary <<'EOP'
import subprocess, sys
subprocess.Popen([sys.executable, "-c", """
from plugin_client import *
import time
opened = [connect(n) for n in ("vol", "vol@1", "vol@latest", "vol@above")]
open(SOCKET + ".there", "w").write("yes")
time.sleep(3)
"""])
EOP
check "are they" wait_until 60 test -s "$PLUGIN_SOCKET.there"
stop_plugin
is "then it ends cleanly, too" $? 0
is "still no complaint" \
	"$(grep -cE 'Sanitizer|runtime error' "$plugin_log")" 0
[ $test_failed = 0 ] || note "$(grep -A 30 -m 1 Sanitizer "$plugin_log")"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: one peer could take all of a server, or the
# limit would lock a primary out whose old connections nobody closed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_plugin connections=4 sum_rate=4MiB
check "no more connections than allowed" primary <<'EOP'
p = [Primary().hello() for _ in range(4)]
try:
    connect("vol")
except nbd.Error:
    pass
else:
    raise Exception("a fifth")
p[0].h.shutdown()
q = None
import time
for i in range(100):        # the server closes when it likes
    try:
        q = connect("vol@sum")
        break
    except nbd.Error:
        time.sleep(0.05)
assert q
EOP
check "and it says so" says "vol: 4 connections are open, no more"
check "those of sessions that are over do not count" primary <<'EOP'
import time
time.sleep(0.5)
old = []
for n in range(10):
    new = [Primary(session=(2, n)).hello() for _ in range(2)]
    assert error_of(old[-1].hello) == "ESHUTDOWN" if old else True
    old += new
EOP
check "digests are read no faster than allowed" primary <<'EOP'
import time
h, start = connect("vol@sum"), time.time()
h.pread(32768, 0)               # 8 MiB of chunks
took = time.time() - start
assert 1.5 < took < 20, took
assert error_of(h.pread, 131072, 0) != ""
EOP
check "the log is not flooded" primary <<'EOP'
p = Primary(session=(3, 1))
for i in range(3000):
    assert error_of(p.write, 0, 1) == "EINVAL"
EOP
check "but for a few lines a second" test \
	"$(grep -c 'no hello on this' "$plugin_log")" -lt 1000
check "what was not told is counted" says "[0-9]+ more refusals"
finish

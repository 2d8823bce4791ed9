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
for i in range(1200):       # the server closes when it likes
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
while True:                 # those of before are closed when it likes
    try:
        Primary(session=(2, 0)).hello()
        break
    except nbd.Error:
        time.sleep(0.05)
old = []
for n in range(10):
    new = [Primary(session=(2, n + 1)).hello() for _ in range(2)]
    assert error_of(old[-1].hello) == "ESHUTDOWN" if old else True
    old += new
EOP
check "digests are read no faster than allowed" primary <<'EOP'
import time
h, start = connect("vol@sum"), time.time()
h.pread(32768, 0)               # 8 MiB of chunks
took = time.time() - start
assert took > 1.5, took
assert error_of(h.pread, 131072, 0) != ""
EOP
SECONDS=0
check "the log is not flooded" primary <<'EOP'
p = Primary(session=(3, 1))
for i in range(3000):
    assert error_of(p.write, 0, 1) == "EINVAL"
EOP
most=$(((SECONDS + 2) * 20))
check "but for a few lines a second, $most" test \
	"$(grep -c 'no hello on this' "$plugin_log")" -le $most
check "what was not told is counted" says "[0-9]+ more refusals"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a reader would see a part of an epoch, or
# one that was answered as committed would be gone after a crash (P1, P4).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_plugin history=1h
check "nothing before the clean header, all of it after" primary <<'EOP'
p, q = Primary().hello(), Primary().hello()
reader = connect("vol")
def seen():
    return {bytes(reader.pread(CHUNK, c * CHUNK))[0] for c in range(64)}
for epoch in range(1, 20):
    before = seen()
    assert before == {epoch - 1}, before
    p.open(epoch)
    for c in range(0, 32):
        p.write(c, epoch)
    assert seen() == before
    data = bytes([epoch]) * CHUNK * 32          # another connection, FUA
    q.h.pwrite(data, 32 * CHUNK, nbd.CMD_FLAG_FUA)
    q.h.flush()
    p.note(32 * CHUNK, data)
    assert seen() == before
    p.commit(epoch)
    assert seen() == {epoch}
EOP
check "partial ones not even then" primary <<'EOP'
p = Primary().hello()
p.whole(20, 0, 20, 32, PARTIAL)
p.whole(21, 32, 21, 16, PARTIAL)
assert p.header().last_partial == 21
assert p.header().last_clean == 19
assert {p.at(c) for c in range(64)} == {19}
p.whole(22, 48, 22, 16)
assert [p.at(c) for c in (0, 31, 32, 47, 48, 63)] == [20, 20, 21, 21, 22, 22]
p.open(23)
p.write(0, 23)
EOP
kill_pid $plugin_pid
start_plugin history=1h
check "kill -9: what was committed is there, the open one is not" primary <<'EOP'
p = Primary()
h = p.header()
assert (h.last_clean, h.highest_seen) == (22, 23), vars(h)
assert h.state == 1
assert [p.at(c) for c in (0, 31, 32, 47, 48, 63)] == [20, 20, 21, 21, 22, 22]
p = Primary(session=(1, 2)).hello()
assert error_of(p.open, 23) == "EINVAL"
p.whole(24, 0, 24)
assert Primary().at(0) == 24
EOP
finish

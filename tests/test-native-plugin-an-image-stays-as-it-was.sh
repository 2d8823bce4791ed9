#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who reads VOL@EPOCH would find two epochs
# mixed, while newer ones are committed and older ones are applied (S10).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_plugin history=1h,8MiB log=1GiB
check "ten epochs" primary <<'EOP'
p = Primary().hello()
for epoch in range(1, 11):
    p.whole(epoch, epoch % 4 * 8, epoch, 8)
EOP
for e in 7 10; do
	check "$e is copied" nbdcopy "$(uri vol@$e)" "$scratch_dir/at$e"
done
start_primary <<'EOP'
import random, time
p = Primary().hello()
for epoch in range(11, 200):
    p.open(epoch)
    for i in range(8):
        p.write(random.randrange(512), epoch % 251, 4)
    p.zero(random.randrange(512), 8)
    p.commit(epoch)
EOP
writer=$primary_pid
check "both stay as they were, all the while" primary <<EOP
import time
pinned = {e: (connect("vol@%d" % e), open("$scratch_dir/at%d" % e, "rb").read())
          for e in (7, 10)}
latest = connect("vol@latest")
first = latest.pread(8 * MIB // 4, 0)
end, rounds = time.time() + 6, 0
while time.time() < end or rounds <= 3:
    for h, want in pinned.values():
        got = b"".join(h.pread(MIB, at) for at in range(0, 8 * MIB, MIB))
        assert got == want
    assert latest.pread(8 * MIB // 4, 0) == first
    rounds += 1
EOP
check "and others were committed" primary <<'EOP'
import time
while Primary().header().last_clean <= 50:
    time.sleep(0.1)
EOP
check "extents say zero only where there are zeros" primary <<'EOP'
h = connect("vol@latest")
extents = []
h.block_status(8 * MIB, 0, lambda c, off, e, err: extents.extend(e))
at = zeros = 0
for n, flags in zip(extents[::2], extents[1::2]):
    if flags & nbd.STATE_ZERO:
        zeros += n
        assert h.pread(n, at) == bytes(n), at
    at += n
assert at == 8 * MIB and zeros > MIB, (at, zeros)
EOP
wait_until 300 eval '! kill -0 $writer 2>/dev/null'
wait $writer
is "the writer had no trouble" $? 0
refuses "7 is not there for ever" "No such file" nbdinfo "$(uri vol@7)"
check "the newest is" nbdinfo "$(uri vol@199)"
finish

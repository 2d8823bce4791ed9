#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a request of some size, place, or with some
# flag, would be answered for and not be what the next image has; or one that
# cannot be would change something. DMR_SEED=N: other places.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
export DMR_SEED=${DMR_SEED-1}
vol_size=72MiB

start_plugin history=1h
check "sizes, places, zeros and flags" primary <<'EOP'
import random
signal.alarm(900)
random.seed(int(os.environ["DMR_SEED"]))
p = Primary().hello()
size = p.bytes
assert size == 72 * MIB
want, old = bytearray(size), None
def put(off, data, **flags):
    p.h.pwrite(data, off, **flags)
    p.note(off, data)
    want[off:off + len(data)] = data
def wipe(off, n, fn, **flags):
    fn(n, off, **flags)
    p.note(off, struct.pack("<Q", n))
    want[off:off + n] = bytes(n)
sizes = [512, 1024, 3584, 4096, 4608, 8192, 65024, 65536, 66048, MIB,
         MIB + 512]
places = [0, 512, 3584, 4096, 65536 - 512, 65536, MIB - 512, 31 * MIB + 1536]
wipes = [(p.h.zero, {}), (p.h.zero, {"flags": nbd.CMD_FLAG_NO_HOLE}),
         (p.h.zero, {"flags": nbd.CMD_FLAG_FUA}),
         (p.h.zero, {"flags": nbd.CMD_FLAG_FAST_ZERO}),
         (p.h.trim, {}), (p.h.trim, {"flags": nbd.CMD_FLAG_FUA})]
images = {}
for epoch in range(1, 5):
    p.open(epoch)
    for n in sizes:
        for off in random.sample(places, 1 if n > 70000 else 4) + [size - n]:
            data = random.randbytes(512) * (n // 512)
            put(off, data, flags=random.choice([0, nbd.CMD_FLAG_FUA]))
        fn, flags = wipes[random.randrange(len(wipes))]
        wipe(random.randrange((size - n) // 512) * 512, n, fn, **flags)
    for fn, flags in wipes:
        wipe(random.choice(places), random.choice(sizes), fn, **flags)
    p.h.flush()
    p.commit(epoch)
    images[epoch] = bytes(want)
for epoch, image in images.items():
    h = connect("vol@%d" % epoch)
    for at in range(0, size, 8 * MIB):
        assert h.pread(8 * MIB, at) == image[at:at + 8 * MIB], (epoch, at)
    for i in range(300):
        n = random.choice([512, 4096, 4608, 65536, MIB])
        at = random.randrange((size - n) // 512 + 1) * 512
        assert h.pread(n, at) == image[at:at + n], (epoch, at, n)
EOP
check "the largest request that is said to be taken" primary <<'EOP'
signal.alarm(900)
p = Primary().hello()
epoch = p.header().highest_seen + 1
p.open(epoch)
data = b"m" * (32 * MIB)
p.h.pwrite(data, 512)
p.note(512, data)
p.commit(epoch)
assert Primary().h.pread(32 * MIB, 512) == data
EOP
check "a larger one is refused, or right" primary <<'EOP'
signal.alarm(900)
p = Primary().hello()
epoch = p.header().highest_seen + 1
p.open(epoch)
data = b"n" * (32 * MIB + 512)
got = error_of(p.h.pwrite, data, 0)
if not got:
    p.note(0, data)
    p.commit(epoch)
    assert Primary().h.pread(MIB, 32 * MIB - MIB + 512) == data[:MIB]
EOP
check "too many digests at once are refused, in words" primary <<'EOP'
assert error_of(connect("vol@sum").pread, 280000, 0) == "EINVAL"
EOP
check "namely" says "vol@sum: a read of 280000 bytes, at most 262144 go at once"
check "what cannot be is refused, and changes nothing" primary <<'EOP'
p = Primary().hello()
before = p.h.pread(MIB, 0)
epoch = p.header().highest_seen + 1
p.open(epoch)
end = tail_of(p.bytes)
for n, off in ((1, 0), (511, 0), (513, 0), (512, 1), (4096, 511), (100, 4000)):
    for fn in (lambda: p.h.pwrite(bytes(n), off), lambda: p.h.zero(n, off),
               lambda: p.h.trim(n, off)):
        assert error_of(fn) == "EINVAL", (n, off)
for off in (end, end + 8192, end + 65536, end + 65536 - 512, 1 << 40,
            (1 << 63) - 512):
    assert error_of(p.h.pwrite, bytes(512), off) in ("EINVAL", "ENOSPC"), off
    assert error_of(p.h.zero, 512, off) in ("EINVAL", "ENOSPC"), off
assert error_of(p.h.pread, 512, 1 << 40) == "EINVAL"
assert error_of(p.h.pread, 4096, end + 65536 - 512) == "EINVAL"
p.write(100, 55)
p.commit(epoch)
q = Primary()
assert q.h.pread(MIB // 4, 0) == before[:MIB // 4]
assert q.at(100) == 55
EOP
check "parts of blocks are read right, or refused" primary <<'EOP'
import random
h = connect("vol@latest")
for i in range(200):
    n, at = random.randrange(1, 9000), random.randrange(MIB)
    first = at // 512 * 512
    whole = h.pread((at + n - first + 511) // 512 * 512, first)
    try:
        got = h.pread(n, at)
    except nbd.Error as e:
        assert e.errno == "EINVAL", e
        continue
    assert got == whole[at - first:at - first + n], (n, at)
EOP
check "one epoch over four connections, committed by the fourth" primary <<'EOP'
import random
a = [Primary(session=(1, 2)).hello() for i in range(4)]
for epoch in range(a[0].header().highest_seen + 1,
                   a[0].header().highest_seen + 6):
    a[epoch % 4].open(epoch)
    chunks = random.sample(range(2000), 400)
    for i in range(4):
        a[i].count = a[i].digest = 0
    for n, c in enumerate(chunks):
        if n % 9:
            a[n % 4].write(c, epoch % 250 + 1)
        else:
            a[n % 4].zero(c)
    for i in range(4):
        a[i].h.flush()
    a[3].commit(epoch, records=sum(x.count for x in a),
                digest=sum(x.digest for x in a) % (1 << 64))
    reader = connect("vol@latest")
    for n, c in enumerate(chunks):
        got = set(reader.pread(CHUNK, c * CHUNK))
        assert got == {epoch % 250 + 1 if n % 9 else 0}, (epoch, c, got)
EOP
check "extents of any part: all of it, once, and zeros are zeros" primary <<'EOP'
import random
def extents(h, n, at, flags=0):
    found = []
    h.block_status(n, at, lambda c, o, e, err: found.extend(e), flags)
    return list(zip(found[::2], found[1::2]))
for name in ("vol", "vol@latest", "vol@1", "vol@3"):
    h = connect(name)
    size = 72 * MIB
    for i in range(60):
        n = random.choice([512, 4096, 4608, MIB, 20 * MIB])
        at = random.randrange((size - n) // 512) * 512
        one = extents(h, n, at, nbd.CMD_FLAG_REQ_ONE)
        assert len(one) == 1 and 0 < one[0][0] <= n, one
        at_now = at
        for length, flags in extents(h, n, at):
            assert length > 0 and at_now < at + n
            length = min(length, at + n - at_now)
            if flags & nbd.STATE_ZERO:
                part = min(length, MIB)
                assert h.pread(part, at_now) == bytes(part), (name, at_now)
            at_now += length
        assert at_now > at
    assert any(f & nbd.STATE_ZERO for _, f in extents(h, 32 * MIB, 40 * MIB))
EOP
check "a read-only export is one" primary <<'EOP'
for name in ("vol@latest", "vol@1", "vol@sum", "vol@above", "vol@dirty",
             "vol@history"):
    h = connect(name)
    before = h.pread(512, 0)
    for fn in (lambda: h.pwrite(bytes(512), 0), lambda: h.zero(512, 0),
               lambda: h.trim(512, 0)):
        assert error_of(fn) in ("EPERM", "EINVAL"), name
    assert h.is_read_only() and h.pread(512, 0) == before
EOP
newest=$(nbdinfo --json "$(uri vol@latest)" |
	sed -n 's/.*image of epoch \([0-9]*\).*/\1/p')
check "qemu-img finds the newest epoch and the newest image equal" qemu-img \
	compare -f raw -F raw "$(uri vol@latest)" "$(uri "vol@$newest")"
refuses "and an older one different" "Content mismatch" qemu-img compare \
	-f raw -F raw "$(uri vol@1)" "$(uri vol@latest)"
for e in vol@history vol@sum "vol@$newest"; do
	check "nbdcopy reads $e" nbdcopy "$(uri "$e")" "$scratch_dir/n"
	check "qemu-img too" qemu-img convert -f raw -O raw "$(uri "$e")" \
		"$scratch_dir/q"
	# A table of the epochs says when it was asked for.
	[ $e = vol@history ] ||
		check "and they agree" cmp "$scratch_dir/n" "$scratch_dir/q"
done
check "qemu-img copies by extents" qemu-img convert -f raw -O qcow2 \
	"$(uri vol@2)" "$scratch_dir/image"
check "and has the same" qemu-img compare -f raw -F qcow2 "$(uri vol@2)" \
	"$scratch_dir/image"
stop_plugin
is "a clean stop" $? 0
finish

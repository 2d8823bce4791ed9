#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a replica could not be read with the tools
# that everybody has, or its lists would not be what their description says.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_plugin history=1h
check "four epochs, a partial and an open one" primary <<EOP
import random
p, image = Primary().hello(), bytearray(8 * MIB)
for epoch in range(1, 5):
    p.open(epoch)
    for i in range(60):
        chunk, fill = random.randrange(2040), random.randrange(256)
        p.write(chunk, fill, 8)
        image[chunk * CHUNK:(chunk + 8) * CHUNK] = bytes([fill]) * CHUNK * 8
    p.zero(epoch * 100, 50)
    image[epoch * 100 * CHUNK:(epoch * 100 + 50) * CHUNK] = bytes(50 * CHUNK)
    p.commit(epoch)
    open("$scratch_dir/want%d" % epoch, "wb").write(image)
p.whole(5, 2044, 5, 2, PARTIAL)
p.open(6)
p.write(2046, 6)
open("$scratch_dir/above", "wb").write(read_all("vol@above"))
open("$scratch_dir/above2", "wb").write(read_all("vol@above@2"))
EOP
ln -s want4 "$scratch_dir/wantlatest"
for e in 1 3 latest; do
	nbdcopy "$(uri vol@$e)" "$scratch_dir/copy"
	check "nbdcopy reads vol@$e" cmp "$scratch_dir/copy" \
		"$scratch_dir/want$e"
	qemu-img convert -f raw -O raw "$(uri vol@$e)" "$scratch_dir/image"
	check "qemu-img reads vol@$e" cmp "$scratch_dir/image" \
		"$scratch_dir/want$e"
done
nbdcopy "$(uri vol)" "$scratch_dir/copy"
check "nbdcopy reads vol" cmp -n 8388608 "$scratch_dir/copy" \
	"$scratch_dir/want4"
for e in vol@sum vol@above@2; do
	check "nbdcopy reads $e" nbdcopy "$(uri $e)" "$scratch_dir/$e.n"
	check "qemu-img too" qemu-img convert -f raw -O raw "$(uri $e)" \
		"$scratch_dir/$e.q"
	check "and they agree" cmp "$scratch_dir/$e.n" "$scratch_dir/$e.q"
done
is "a digest for each chunk" "$(stat -c %s "$scratch_dir/vol@sum.n")" 32768
check "the same for the same content, as the next commit has it (W4)" \
	primary <<EOP
sums, image = open("$scratch_dir/vol@sum.n", "rb").read(), bytearray(
    open("$scratch_dir/want4", "rb").read())
image[2044 * CHUNK:2046 * CHUNK] = b"\5" * CHUNK * 2
seen = {}
for c in range(2048):
    data = bytes(image[c * CHUNK:(c + 1) * CHUNK])
    assert seen.setdefault(data, sums[16 * c:16 * c + 16]) == \
        sums[16 * c:16 * c + 16], c
assert len(set(seen.values())) == len(seen) > 50
h = connect("vol@sum")
assert h.pread(7, 8190) == sums[8190:8197]
EOP
check "the list of what is above is what the manual says" primary <<EOP
def pairs(name, epoch):
    return list_pairs(open("$scratch_dir/" + name, "rb").read(), epoch)
assert pairs("above", 4) == [(2044 * CHUNK, 3 * CHUNK)], pairs("above", 4)
old, new = (open("$scratch_dir/want%d" % e, "rb").read() for e in (2, 4))
above = {c for off, n in pairs("above2", 2)
         for c in range(off // CHUNK, (off + n) // CHUNK)}
differ = {c for c in range(2048) if old[c * CHUNK:(c + 1) * CHUNK] !=
          new[c * CHUNK:(c + 1) * CHUNK]}
assert differ and differ <= above, differ - above
EOP
finish

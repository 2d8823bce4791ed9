#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a replica could not be tried out while
# replication goes on, or trying it out would change it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_plugin history=1h
primary <<'EOP'
p = Primary().hello()
p.whole(1, 0, 65, 512)
p.whole(2, 0, 66, 256)
EOP
nbdcopy "$(uri vol@1)" "$scratch_dir/one"
start_nbdkit "$scratch_dir/test.sock" --filter=cow nbd \
	socket="$PLUGIN_SOCKET" export=vol@1
is "it has the volume's size" \
	"$(nbdinfo --size "nbd+unix:///?socket=$scratch_dir/test.sock")" 8388608
check "it can be written, while epochs are committed" primary <<EOP
dev, p = connect("", "$scratch_dir/test.sock"), Primary().hello()
assert not dev.is_read_only()
want = bytearray(open("$scratch_dir/one", "rb").read())
assert dev.pread(MIB, 0) == want[:MIB]
for epoch in range(3, 100):
    p.whole(epoch, epoch, epoch, 4)
    at = epoch * 12345 // 512 * 512
    dev.pwrite(bytes([epoch]) * 512, at)
    want[at:at + 512] = bytes([epoch]) * 512
    assert dev.pread(8192, epoch * CHUNK) == \
        want[epoch * CHUNK:epoch * CHUNK + 8192]
for at in range(0, 8 * MIB, MIB):
    assert dev.pread(MIB, at) == want[at:at + MIB], at
assert p.header().last_clean == 99
EOP
nbdcopy "$(uri vol@1)" "$scratch_dir/again"
check "epoch 1 is what it was" cmp "$scratch_dir/one" "$scratch_dir/again"
kill_pid $nbdkit_pid
if command -v mkfs.ext4 >/dev/null; then
	start_nbdkit "$scratch_dir/test2.sock" --filter=cow nbd \
		socket="$PLUGIN_SOCKET" export=vol@latest
	qemu-img create -q -f raw "$scratch_dir/fs" 8M
	mkfs.ext4 -q "$scratch_dir/fs"
	uri2="nbd+unix:///?socket=$scratch_dir/test2.sock"
	check "a filesystem can be put on it" nbdcopy "$scratch_dir/fs" "$uri2"
	nbdcopy "$uri2" "$scratch_dir/fs2"
	check "and is good" e2fsck -fn "$scratch_dir/fs2"
fi
nbdcopy "$(uri vol@99)" "$scratch_dir/again"
nbdcopy "$(uri vol@latest)" "$scratch_dir/latest"
check "nothing of it is in the replica" cmp "$scratch_dir/latest" \
	"$scratch_dir/again"
finish

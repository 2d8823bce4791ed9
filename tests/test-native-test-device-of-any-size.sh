#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a test device of a big volume would have
# to be copied first.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

export vol_size=1TiB
df --output=avail -B 1M "${TMPDIR:-/tmp}" /var/tmp | awk 'NR > 1 && $1 < 200 {
	exit 1 }' || skip_all "needs some room in /tmp and /var/tmp"
truncate -s 1T "$scratch_dir/sparse" || skip_all "needs sparse files of 1 TiB"
rm "$scratch_dir/sparse"
start_plugin history=1h
primary <<'EOP'
p = Primary().hello()
p.whole(1, 0, 65, 16)
p.whole(2, (1 << 40) // CHUNK - 16, 66, 16)
p.whole(3, 0, 67, 16)
EOP
begin_config
start_daemon
began=$EPOCHREALTIME
check "it is there soon" timeout 200 replicactl test --no-attach --name big \
	--epoch 2 --target "$(uri vol)"
note "$(awk "BEGIN { print $EPOCHREALTIME - $began }") s"
used() {
	du -s -B 1M "$scratch_dir" | cut -f 1
}
check "the whole of it" test_is big '.size_bytes == 1099511627776'
check "it can be read and written, from end to end" $python -m nbd \
	-u "nbd+unix:///?socket=$state_dir/tests/big.sock" -c '
end = (1 << 40) - 65536
assert h.pread(4096, 0) == b"A" * 4096
assert h.pread(4096, end) == b"B" * 4096
assert h.pread(4096, 1 << 39) == bytes(4096)
h.pwrite(b"x" * 4096, end)
assert h.pread(8192, end) == b"x" * 4096 + b"B" * 4096'
check "without taking its size" test "$(used)" -lt 500
check "dropped" timeout 200 replicactl test --drop big
stop_daemon
is "a clean stop" $? 0
finish

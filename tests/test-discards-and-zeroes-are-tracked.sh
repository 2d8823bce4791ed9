#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, what was discarded or zeroed at the primary keeps its old
# content at the replica: device-mapper does not split these for a target, and
# one that looks at their first chunk only forgets the rest.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 64
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view

dirty() {
	dmr-ctl $v dirty | sed 's/.*chunks=/chunks=/; s/ ok$//'
}

check "a discard of 40 MiB, not at the edge of a region" \
	dmr-ctl $v "discard $v 24 81920"
is "  its chunks" "$(dirty)" "chunks=10240: 3-10242"
settle_volume vol
check "write-zeroes of 20 MiB and some sectors" \
	dmr-ctl $v "zero $v 4099 40962"
is "  its chunks, the partial ones too" "$(dirty)" "chunks=5121: 512-5632"
settle_volume vol
check "one sector of zeros" dmr-ctl $v "zero $v 77 1"
is "  is one chunk" "$(dirty)" "chunks=1: 9"
settle_volume vol
check "the whole volume" blkdiscard -f $v
is "  is all of it" "$(dirty)" "chunks=16384: 0-16383"

ctl "a held chunk is preserved before it is discarded or zeroed" vol <<EOF
attach
cut next
wait frozen
release all
end commit
write $v 0 24 1
write $v 8192 8 1
cut next
wait frozen
discard $v 8 8
zero $v 16 8
discard $v 4096 32768
read $v 8 16 0
read $view 0 24 1
read $view 8192 8 1
expect nr_preserved=3 nr_dirty=4098
release all
end commit
EOF

truncate -s 64M "$scratch_dir/file"
make_loop "$scratch_dir/file"
make_replica looped "$loop_dev"
settle_volume looped
test "$(cat "/sys/class/block/${loop_dev##*/}/queue/write_zeroes_max_bytes")" \
	-gt 0 || note "this loop device has no write-zeroes"
ctl "a write-zeroes request is tracked as a whole" looped <<EOF
zero /dev/mapper/looped 8 40960
expect nr_dirty=5120
discard /dev/mapper/looped 40968 40960
expect nr_dirty=10240
EOF

# 16 TiB that are not there: nothing may loop over single chunks here.
truncate -s 16T "$scratch_dir/huge"
make_loop "$scratch_dir/huge"
make_replica big "$loop_dev"
settle_volume big
ctl "a discard of 4 TiB is tracked, and in time" big \
	"run timeout 60 blkdiscard -f -o 1T -l 4T /dev/mapper/big" \
	"expect nr_dirty=$((1 << 30))"
check_dmesg
finish

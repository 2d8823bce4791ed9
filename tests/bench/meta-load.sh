#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# How long a volume of 1 TiB takes to come up when a quarter of its chunks is
# dirty, some in every region. The ratio is to the 2 s that it may take.
# lab: vm mem=1536 timeout=600
. "$(dirname "$0")/common"
requires_cmd meta-fill
load_module
sectors=$((1 << 31))
make_dm big "0 $sectors zero"
make_null big-meta 40
start() {
	dmsetup create vol --table \
		"0 $sectors replica /dev/mapper/big /dev/big-meta 0" ||
		bail "no volume"
}
stop() {
	dmsetup message vol 0 retire && dmsetup remove vol
}
start
for ((i = 0; i < 5; i++)); do
	stop || bail "it does not retire"
	meta-fill /dev/big-meta >/dev/null || bail "no bits"
	blockdev --flushbufs /dev/big-meta
	t=$(date +%s%N)
	start
	echo $((($(date +%s%N) - t) / 1000000))
done >"$scratch_dir/ms"
ms=$(median <"$scratch_dir/ms")
row meta-load "$ms" ms "2 s" 2000 "$(quotient 2000 "$ms")"
stop
bench_done

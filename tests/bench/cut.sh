#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A cut costs what is dirty, not what the volume could hold: ten dirty chunks
# in 16 TiB against ten in 1 GiB.
# lab: vm mem=2048 timeout=600
. "$(dirname "$0")/common"

GIB=$((1 << 21))
load_module
make_dm zero-small "0 $GIB zero"
make_dm zero-big "0 $((GIB << 14)) zero"
make_replica small /dev/mapper/zero-small
make_replica big /dev/mapper/zero-big
cut-time 300 10 /dev/mapper/small /dev/mapper/big >"$scratch_dir/out" ||
	bail "cut-time failed"
{
	read -r _ cut1 frozen1 pause1 epoch1
	read -r _ cut2 frozen2 pause2 epoch2
} <"$scratch_dir/out"
row cut-16tib "$frozen2" "us" "1 GiB" "$frozen1" "$(quotient "$frozen2" "$frozen1")"
echo "of that, medians in us of 16 TiB and 1 GiB: command $cut2 $cut1," \
	"pause $pause2 $pause1; whole epoch $epoch2 $epoch1"
bench_done

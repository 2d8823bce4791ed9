#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What durable tracking costs a writer where every region is hot: random 4 KiB
# writes through the replica target and through dm-linear, in turn.
# lab: vm mem=1536 timeout=600
. "$(dirname "$0")/common"
. "$(dirname "$0")/meta-setup"
make_kept
sync_once vol
fill_vol
compare meta-hot-q16 /dev/mapper/lin dm-linear -q 16 -s 50 -t 40
bench_done

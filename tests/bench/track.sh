#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What tracking costs a writer: random 4 KiB writes through the replica target
# and through dm-linear, in turn. The ratio is the median over neighbours.
# lab: vm mem=1024 timeout=600
. "$(dirname "$0")/common"
. "$(dirname "$0")/track-setup"

track track-randwrite-q16 writes/s -q 16 -s 50 -t 40
track track-randwrite-q1 writes/s -q 1 -s 50 -t 40
bench_done

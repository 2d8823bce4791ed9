#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The same as track.sh on a machine whose clock counts instructions (1 ns each):
# the figures do not depend on what else this machine does, but an instruction
# that waits for memory or for a bus lock costs as much as any other.
# lab: vm icount smp=1 mem=1024 timeout=1200
. "$(dirname "$0")/common"
. "$(dirname "$0")/track-setup"

track track-instructions-q16 writes/Ginsn -q 16 -s 100 -t 2
track track-instructions-q1 writes/Ginsn -q 1 -s 100 -t 2
bench_done

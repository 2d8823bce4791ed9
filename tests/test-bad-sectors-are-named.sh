#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, an unreadable sector of a volume is reported as another one, or
# as none, and the operator looks for it in vain.
. "$(dirname "$0")/lib.sh"
requires_root
PATH=$top_dir/build/tests/bench:$PATH
requires_cmd ship-bench
modprobe -q dm-mod
make_null src 64
make_null dst 64
dd if=/dev/urandom of=/dev/src bs=1M status=none
make_dm bad "0 80000 linear /dev/src 0
80000 8 error
80008 51064 linear /dev/src 80008"

refuses "sector 80000 cannot be read" \
	"at sector 80000: Input/output error" \
	ship-bench -f /dev/mapper/bad local:/dev/dst
refuses "nor with requests of one chunk" \
	"at sector 80000: Input/output error" \
	ship-bench -i 4096 -f /dev/mapper/bad local:/dev/dst
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, the library would misunderstand the module: an epoch could not
# be shipped through it, or a lost event or answer would go unnoticed.
. "$(dirname "$0")/lib.sh"
load_module
make_null disk0 128
make_replica vol /dev/disk0
netlink-epochs vol >"$scratch_dir/out"
status=$?
grep -v '^ok\|^1\.\.' "$scratch_dir/out" | sed 's/^/# /'
is "all checks of netlink-epochs hold" $status 0
check "there were some" grep -q '^1\.\.[1-9][0-9]' "$scratch_dir/out"
check_dmesg
finish

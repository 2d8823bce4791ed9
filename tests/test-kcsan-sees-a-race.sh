#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, the silence of the kernel with KCSAN proves nothing: it does not
# see that all CPUs count in one plain variable either.
# lab: host soak timeout=900
. "$(dirname "$0")/lib.sh"
requires_root
requires_cmd qemu-system-x86_64
version=$("$test_dir/vm/kernel" version kcsan 2>/dev/null) ||
	skip_all "there is no kernel with KCSAN: make check-kcsan builds one"

# races 0|1: the fault point
races() {
	"$test_dir/vm/run" --kernel "$version" --fault --allow-splat \
		--mem 2048 --timeout 400 -- tests/kcsan-guest "$1" \
		>"$scratch_dir/said" 2>&1
	grep -E '^(none|BUG: KCSAN: data-race in .*dmr_)' "$scratch_dir/said" ||
		tail -n 20 "$scratch_dir/said"
}
found=$(races 1)
check "a plain variable in the marker is seen" grep -q "data-race in" <<<"$found"
note "$found"
is "without it, nothing is" "$(races 0)" none
finish

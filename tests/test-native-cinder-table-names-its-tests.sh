#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: Documentation/cinder.rst would claim
# something that no test keeps.
. "$(dirname "$0")/lib.sh"
table=$top_dir/Documentation/cinder.rst

# The last cell of each row.
awk '/^   \* - / { if (nr++) print last } /^     - / { last = substr($0, 8) }
     /^Capabilities/ { print last; exit }' "$table" | sed 1d >"$scratch_dir/tests"
check "there are rows" test "$(wc -l <"$scratch_dir/tests")" -ge 30
is "each has four cells" "$(sed '/^Capabilities/,$d' "$table" |
	grep -c '^     - ')" $((3 * ($(wc -l <"$scratch_dir/tests") + 1)))
while read -r name; do
	case $name in
	"none: not there") pass "a row without a test says so" ;;
	*) check "$name is there" test -e "$test_dir/$name.sh" -o \
		-e "$test_dir/$name.c" ;;
	esac
done <"$scratch_dir/tests"
for word in $(grep -oE '\b(test-[a-z0-9-]+|unit-[a-z0-9-]+)' "$table" | sort -u); do
	check "$word" test -e "$test_dir/$word.sh" -o -e "$test_dir/$word.c"
done
finish

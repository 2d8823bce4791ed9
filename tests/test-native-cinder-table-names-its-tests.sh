#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: Documentation/cinder.rst would claim
# something that no test keeps.
. "$(dirname "$0")/lib.sh"
table=$top_dir/Documentation/cinder.rst

is_test() {
	[ -e "$test_dir/$1.sh" ] || [ -e "$test_dir/$1.c" ]
}

# The last cell of each row.
last_cells() {
	awk '/^   \* - / { if (nr++) print last } /^     - / { last = substr($0, 8) }
	     /^Capabilities/ { print last; exit }' "$1" | sed 1d
}

# complaints FILE: a line for each thing that is wrong
complaints() {
	local nr cells name
	nr=$(last_cells "$1" | wc -l)
	[ "$nr" -ge 30 ] || echo "only $nr rows"
	cells=$(sed '/^Capabilities/,$d' "$1" | grep -c '^     - ')
	[ "$cells" = $((3 * (nr + 1))) ] || echo "not four cells in each row"
	while read -r name; do
		is_test "$name" || echo "no test of that name: $name"
	done < <(last_cells "$1")
	for name in $(grep -oE '\b(test-[a-z0-9-]+|unit-[a-z0-9-]+)' "$1" |
		      sort -u); do
		is_test "$name" || echo "no such test: $name"
	done
}
is "all is well" "$(complaints "$table")" ""

# damaged DESCRIPTION SED WORDS: it is noticed
damaged() {
	sed "$2" "$table" >"$scratch_dir/table"
	check "noticed: $1" eval '! cmp -s "$table" "$scratch_dir/table" &&
		complaints "$scratch_dir/table" | grep -q "'"$3"'"'
}
damaged "a test of another name" \
	's/^     - test-native-failover-of-a-volume$/&x/' 'volumex'
damaged "one in the text" 's/(unit-match)/(unit-mutch)/' 'no such test: unit-mutch'
damaged "a row without a test" \
	's/^     - test-native-control-socket-refuses-in-words$/     - perhaps/' perhaps
damaged "a cell that is missing" '0,/^     - targets$/{/^     - capabilities/d}' \
	'not four cells'
damaged "rows that are missing" '/^   \* - 1[0-9]/,/^   \* - [2-9]/d' 'only'
finish

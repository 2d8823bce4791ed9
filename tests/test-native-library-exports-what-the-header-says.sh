#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, a program outside could not use what replica.h offers, or
# could come to rely on what may change.
. "$(dirname "$0")/lib.sh"
requires_cmd cc nm
so=$top_dir/lib/libreplica.so
[ -e "$so" ] || skip_all "needs lib/libreplica.so"

sed -n 's/^\t\([a-z_0-9]*\);$/\1/p' "$top_dir/lib/libreplica.map" |
	sort >"$scratch_dir/map"
nm -D --defined-only "$so" | awk '$2 == "T" { sub("@.*", "", $3); print $3 }' |
	sort >"$scratch_dir/exported"
for h in extents header netlink; do
	grep '^[a-z]' "$top_dir/lib/$h.h" | grep -v '^static\|^typedef'
done | grep -oE '\b(dmr|replica)_[a-z_0-9]+\(' | tr -d '(' |
	sort -u >"$scratch_dir/declared"

check "the map has functions" test -s "$scratch_dir/map"
is "every listed symbol exists, and no other is exported" \
	"$(diff "$scratch_dir/map" "$scratch_dir/exported")" ""
is "the headers declare just these" \
	"$(diff "$scratch_dir/map" "$scratch_dir/declared")" ""
is "no data is exported" \
	"$(nm -D --defined-only "$so" | grep -vcE ' [TA] ')" 0

# A program that includes replica.h alone and uses every function.
{
	echo '#include "replica.h"'
	echo 'const void *const used[] = {'
	sed 's/.*/	(const void *)&,/' "$scratch_dir/map"
	echo '};'
	echo 'int main(void) { return used[0] == 0; }'
} >"$scratch_dir/user.c"
check "a program can be built with it" cc -Wall -Werror -I"$top_dir/lib" \
	-I"$top_dir/kmod/uapi" -o "$scratch_dir/user" "$scratch_dir/user.c" "$so"
ln -s "$so" "$scratch_dir/libreplica.so.0"
check "and runs" env LD_LIBRARY_PATH="$scratch_dir" "$scratch_dir/user"
cp "$scratch_dir/user.c" "$scratch_dir/user.cc"
if command -v c++ >/dev/null; then
	check "C++ too" c++ -fsyntax-only -I"$top_dir/lib" \
		-I"$top_dir/kmod/uapi" "$scratch_dir/user.cc"
fi
finish

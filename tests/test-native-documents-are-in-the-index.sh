#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, a document would be there that nobody finds, or the index would
# name one that is not.
. "$(dirname "$0")/lib.sh"
cd "$top_dir/Documentation" || bail "no Documentation"

is "each document is in the index, once" \
	"$(sed -n 's/^   \([a-z0-9-]*\)$/\1/p' index.rst | sort)" \
	"$(ls ./*.rst | sed 's|^./||; s|.rst$||' | grep -vx index | sort)"
is "each manual page, too" \
	"$(tr ' ,' '\n\n' <index.rst | sed -n 's/^\([a-z.-]*\)(\([0-9]\))\.*$/\1.\2/p' |
		sort)" "$(ls man/*.pod | sed 's|^man/||; s|.pod$||' | sort)"
for f in *.rst; do
	for named in $(grep -o ':doc:`[a-z-]*`' "$f" | sed 's/.*`\(.*\)`/\1/'); do
		check "$f: $named is there" test -e "$named.rst"
	done
done
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, the manual page, --help and the completion of replicactl would
# name different verbs, options or exit statuses.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
requires_cmd podchecker pod2text
pod=$top_dir/Documentation/man/replicactl.8.pod

check "the page is well-formed" podchecker "$pod"
replicactl help --words >"$scratch_dir/verbs"
sed -n '/^=head1 VERBS/,/^=head1 OPTIONS/s/^=head2 \([a-z-]*\).*/\1/p' "$pod" \
	>"$scratch_dir/page-verbs"
is "the page has the verbs, in order" "$(cat "$scratch_dir/page-verbs")" \
	"$(cat "$scratch_dir/verbs")"

# The options of one verb's section of the page ("OPTIONS": of all verbs).
page_options() {
	awk -v verb="$1" '
	/^=head/ { on = ($2 == verb) }
	on' "$pod" | grep -oE 'B<--[a-z0-9-]+>' | sed 's/B<\(.*\)>/\1/' | sort -u
}
page_options OPTIONS >"$scratch_dir/global"
check "there are options of every verb" test -s "$scratch_dir/global"
while read -r verb; do
	replicactl help --words "$verb" | sort -u >"$scratch_dir/options"
	{ page_options "$verb"; cat "$scratch_dir/global"; } | sort -u \
		>"$scratch_dir/page"
	is "$verb: the page has its options" "$(cat "$scratch_dir/page")" \
		"$(cat "$scratch_dir/options")"
	replicactl "$verb" --help | grep -oE '^    --[a-z0-9-]+' | tr -d ' ' |
		sort -u >"$scratch_dir/help"
	is "$verb: --help too" "$(cat "$scratch_dir/help")" \
		"$(cat "$scratch_dir/options")"
	is "$verb: its words are those of the page" \
		"$(sed -n "s/^=head2 $verb\( .*\)\?$/\1/p" "$pod" | sed 's/^ *//')" \
		"$(replicactl help "$verb" | sed -n "s/^    replicactl $verb\(.*\) *\[OPTION\].*/\1/p" | sed 's/^ *//; s/ *$//')"
done <"$scratch_dir/verbs"

sed -n 's/.*STATUS_[A-Z_]* = \([0-9]\),.*/\1/p' "$top_dir/utils/exit-status.h" \
	>"$scratch_dir/statuses"
is "the page has the exit statuses" "$(sed -n '/^=head1 EXIT/,/^=head1 ENV/s/^ \([0-9]\)  .*/\1/p' "$pod")" \
	"$(cat "$scratch_dir/statuses")"

finish

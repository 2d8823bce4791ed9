#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: an example of a help text or of the manual page
# is no command that replicactl takes.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
export REPLICA_SOCKET=$scratch_dir/nobody HOME=$scratch_dir
cd "$scratch_dir" || exit
echo token >token

# said TEXT: the commands of replicactl in it, alone, a line each
said() {
	sed -E 's/^ *([a-z]*[#$] )?//; s/ *#.*//; s/\$\(date[^)]*\)/now/g' <<<"$1" |
		grep -oE 'replicactl [^|&;<>()]*' | sed 's/ *\\$//'
}
# of_help VERB: the lines of its examples
of_help() {
	replicactl "$1" --help | sed -n '/^Examples/,/^$/s/^    //p' | joined
}
# joined: lines that go on are one
joined() {
	sed -E ':more; /\\$/{ N; s/ *\\\n */ /; bmore; }'
}
# of_page: the literal lines of the page
of_page() {
	joined <"$top_dir/Documentation/man/replicactl.8.pod" |
		grep -E '^ +([a-z]*# |\$ )?(replicactl|.*&& replicactl) ' |
		grep -v ' VERB '
}
# can_be_said COMMAND: without a replicad it ends with anything but "usage"
can_be_said() {
	local status=0
	timeout 3 bash -c "$1" <token >"$scratch_dir/says" 2>&1 || status=$?
	[ $status != 2 ] && [ $status != 127 ] && return
	grep -q "top needs a terminal" "$scratch_dir/says" && return
	echo "status $status: $(cat "$scratch_dir/says")"
	return 1
}

nr=0
while read -r command; do
	check "$command" can_be_said "$command"
	nr=$((nr + 1))
done < <({
	for verb in $(replicactl help --words); do
		of_help "$verb"
	done
	of_page
} | while IFS= read -r line; do
	said "$line"
done | sort -u)
check "there are many ($nr)" test $nr -ge 100
refuses "one that cannot be said is noticed" "status 2" \
	can_be_said "replicactl status --chekc"
finish

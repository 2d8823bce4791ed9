#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, an example in a document that does not work would pass for one
# that does.
. "$(dirname "$0")/lib.sh"
requires_cmd doc-examples
export DOC_DIR=$scratch_dir
mkdir "$scratch_dir/here"
: >"$scratch_dir/lib.sh"
printf '/srv/\t%s/SITE/\n' "$scratch_dir" >"$scratch_dir/words"
echo GREETING=hello >"$scratch_dir/here.env"

# document LINE...: below the mark, in a block
document() {
	printf '.. run: here\n\n::\n\n' >"$scratch_dir/d.rst"
	printf '   %s\n' "$@" >>"$scratch_dir/d.rst"
}

run() {
	doc-examples "$scratch_dir/d.rst"
}

document '$ echo $GREETING' hello '$ echo /srv/x; echo y; echo z 1' \
	/srv/x ... 'z ...' '$ printf "%s\n" a \' '      b' a b
check "good examples pass" run
is "each is told" "$(run | grep -c ^pass)" 3
document '$ echo a' b
refuses "another output" 'it is shown to print' run
document '$ printf "a\nb\n"' a
refuses "more output" 'it is shown to print' run
document '$ echo a' a b
refuses "less output" 'it is shown to print' run
document '$ false'
refuses "a command that fails" 'status 1' run
document '$ nosuchcommand' ...
refuses "a command that is not there" 'not found' run
document 'text'
refuses "a block without a command" 'begins with' run
printf 'Do this::\n\n   $ true\n' >"$scratch_dir/d.rst"
refuses "a block that nobody runs" 'no ".. run: SITE"' run
printf '.. run: nowhere\n\n::\n\n   $ true\n' >"$scratch_dir/d.rst"
refuses "a site that there is not" 'no site "nowhere"' run
printf '.. test: false\n' >"$scratch_dir/d.rst"
refuses "a step of the test that fails" 'status 1' run
finish

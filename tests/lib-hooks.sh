# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-hooks-*.sh, after lib-native.sh: hooks of the two sites.

hooks_a=$scratch_dir/hooks-a hooks_b=$scratch_dir/hooks-b
mkdir -m 755 "$hooks_a" "$hooks_b"
# shellcheck disable=SC2034 # used by lib-native.sh
daemon_options=$'hook_timeout=60s\nhooks='$hooks_a
# shellcheck disable=SC2034 # used by lib-pair.sh
b_options=$'hook_timeout=60s\nhooks='$hooks_b

# hook FILE [LINE...]: it notes that it is run and what it is given, then does that
hook() {
	local file=$1
	shift
	printf '%s\n' '#!/bin/bash' "env >>'$file.given'" \
		"echo run >>'$file.runs'" "$@" >"$file.new"
	chmod 755 "$file.new"
	mv "$file.new" "$file"
}

runs() {
	[ ! -e "$1.runs" ] || wc -l <"$1.runs"
}

# has_run FILE TIMES: at least
has_run() {
	[ "$(runs "$1")0" -ge "${2}0" ]
}

# given FILE NAME: at the last run
given() {
	sed -n "s/^$2=//p" "$1.given" | tail -n 1
}

# owed STATE_DIR
owed() {
	find "$1/hooks" -name '*.json' 2>/dev/null
}

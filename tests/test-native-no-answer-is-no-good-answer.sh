#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A command that fails and says nothing would pass for one whose JSON is as it
# should be: jq 1.6 is content with an empty input.
. "$(dirname "$0")/lib.sh"
requires_cmd jq git

# holds TEXT CONDITION [JQ-OPTION...]
holds() {
	json_holds "${@:3}" "$2" <<<"$1"
}

says_no() {
	! json_holds "$@"
}

check "what holds" holds '{"a": 1}' '.a == 1'
check "with an argument" holds '{"a": "x"}' '.a == $v' --arg v x
check "one of many" holds '{"a": [1, 2]}' '.a[] | select(. == 2) | . > 1'
check "what does not" says_no '.a == 2' <<<'{"a": 1}'
check "none of many" says_no '.a[] | select(. == 3)' <<<'{"a": [1, 2]}'
check "null is no" says_no '.b' <<<'{"a": 1}'
check "no answer" says_no . </dev/null
check "a blank one" says_no . <<<""
check "half of one" says_no '.a == 1' <<<'{"a": 1'
check "two" says_no '.a == 1' <<<'{"a": 1} {"a": 1}'

# Nobody asks jq itself ("jq" and "-e" are apart here, not to be found).
direct=$(cd "$top_dir" && git grep -nE 'jq'' +-[a-zA-Z]*e' -- tests .ci utils \
	':!tests/lib-json.sh')
is "all ask through json_holds" "$direct" ""
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: status --wait would give up on what passes
# by itself, would wait forever for an operator, or say that all is well of a
# volume that has no replica.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
requires_cmd replicactl

# answers_with MEMBERS [NOT-REPLICATED]: of v; "" is no volume. The client never
# sees half of an answer.
answers_with() {
	printf '{"status": {"result": {"schema_version": 1,
		"verdict": "degraded", "volumes": [%s],
		"not_replicated": [%s]}}}\n' \
		"${1:+{\"name\": \"v\", $1\}}" "${2-}" >"$answers.new"
	mv "$answers.new" "$answers"
}
passes() {
	answers_with "${@:2}"
	ctl 6 status v --wait=1s
	check "$1 is waited for" grep -q "v: " "$err" ||
		note "$(cat "$err")"
}
stays() {
	answers_with "${@:2}"
	ctl 4 status v --wait
	check "$1 is not" grep -q "v: $said" "$err" || note "$(cat "$err")"
}
# error WAITS TRYING LOG-FULL
error() {
	echo "\"state\": \"error\", \"reason\": \"wrong\",
		\"waits_for_retry\": $1, \"trying\": $2, \"log_full\": $3"
}
made() {
	echo "{\"volume\": \"v\", \"base\": \"/b\", \"backend\": \"x\",
		\"size_bytes\": 4096, \"step\": \"$1\", \"replicated\": false}"
}

answers_with ""
start_fake
passes "what its group's change has stopped" '"state": "disabled"'
said=paused
stays "what is paused" '"state": "paused"'

said='error: wrong'
passes "an error that is tried later" "$(error true false false)"
passes "  one that is tried now" "$(error false true false)"
passes "  one of a full log" "$(error false false true)"
passes "  one of which that is not told" '"state": "error"'
stays "one that is never tried" "$(error false false false)"

said='is not replicated'
stays "what is made, but not replicated" "" "$(made ready)"
stays "  also while it grows" "" "$(made growing)"
passes "what is being made" "" "$(made making)"
passes "what is being deleted" "" "$(made deleting)"
ctl 6 status v --wait=1s
err_has 'v: is not replicated, deleting'
passes "what is on its way there" ""
well='"state": "replicating", "replica_consistent": true'
answers_with "$well" "$(made ready)"
ctl 0 status v --wait
finish

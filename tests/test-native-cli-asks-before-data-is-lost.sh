#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, a slip of the hand could lose data without a question, a "no"
# could lose it all the same, or a script would wait for an answer for ever.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"

cat >"$answers" <<END
{"status": {"result": {"volumes": [{"name": "vol", "rolled_back": true}]}},
 "resync": {"result": {}}, "enable": {"result": {}}, "resolve": {"result": {}},
 "test_drop": {"result": {}}, "pair_revoke": {"result": {}},
 "salvage_drop": {"result": {}}, "delete_replica": {"result": {}},
 "failover": {"result": {"volume": "vol", "epoch": 41, "lost_s": 7.0,
 "dropped_bytes": 4096}}}
END
start_fake
# What was asked of replicad, but for questions that change nothing.
changes() {
	[ -e "$socket.log" ] || return 0
	python3 -c '
import json, sys
for line in open(sys.argv[1]):
    d = json.loads(line)
    if d["method"] != "status" and not d["params"].get("dry_run"):
        print(d["method"])' "$socket.log"
}
# at_a_terminal ANSWER WANTED_STATUS WORD...
at_a_terminal() {
	local status=0
	on-a-terminal 'Go on? [y/N]' "$1" replicactl "${@:3}" >"$out" || status=$?
	is "on a terminal, '$1' to ${*:3}: status $2" $status "$2" ||
		note "$(cat "$out")"
}
# asks METHOD WORD...: a person is asked, and a no is a no
asks() {
	local method=$1
	shift
	rm -f "$socket.log"
	at_a_terminal n 5 "$@"
	out_has 'Go on\? \[y/N\]'
	out_has 'not done: nothing has changed'
	cp "$out" "$scratch_dir/asked"
	at_a_terminal '' 5 "$@"
	at_a_terminal ye 5 "$@"
	is "and nothing was changed" "$(changes)" ""
	at_a_terminal y 0 "$@"
	is "a yes is a yes" "$(changes)" "$method"
	at_a_terminal YES 0 "$@"
	rm -f "$socket.log"
	on-a-terminal '' '' replicactl "$@" --yes >"$out"
	is "--yes: no question" "$(grep -c 'Go on' "$out") $(changes)" "0 $method"
	rm -f "$socket.log"
}
# a script may do it, or has to say --yes
scripts_may() {
	ctl 0 "${@:2}"
	is "a script may" "$(changes)" "$1"
}
scripts_must_say() {
	ctl 5 "${@:2}"
	err_has 'say --yes'
	on-a-terminal '' '' replicactl "${@:2}" --json >"$out"
	is "with --json: no question either" "$(grep -c 'Go on' "$out")" 0
	json 'd["error"]["exit"] == 5'
	is "nothing was changed" "$(changes)" ""
	ctl 0 "${@:2}" --yes
	is "with --yes it is done" "$(changes)" "$1"
}
# One row for each verb that can lose data.
asks failover failover vol --force
for words in 'lost, at most.* 7\.0 s' '4\.0 KiB that are newer' \
	'becomes a primary here'; do
	check "it was told first: $words" grep -qE "$words" "$scratch_dir/asked"
done
scripts_may failover failover vol --force
asks resolve resolve vol --keep peer
scripts_may resolve resolve vol --keep peer
asks test_drop test --drop before
scripts_may test_drop test --drop before
asks pair_revoke pair revoke paris
scripts_may pair_revoke pair revoke paris
asks salvage_drop salvage --drop vol-41-7
scripts_must_say salvage_drop salvage --drop vol-41-7
asks delete_replica delete vol --replica --dir /srv
scripts_must_say delete_replica delete vol --replica --dir /srv
asks enable enable vol --target nbds://b/v --overwrite
scripts_must_say enable enable vol --target nbds://b/v --overwrite
asks resync resync vol
scripts_must_say resync resync vol

# Whether a resync would lose something must be known, or is not done.
# unknown STATUS-ANSWER EXIT-STATUS WORDS [TIMEOUT]
unknown() {
	rm -f "$socket.log"
	echo "{\"resync\": {\"result\": {}}, \"status\": $1}" >"$answers"
	ctl "$2" resync vol --timeout "${4-1m}"
	err_has "$3"
	is "no resync after the status $1" "$(changes)" ""
	ctl 0 resync vol --yes
	is "but with --yes" "$(changes)" resync
}
cp "$answers" "$scratch_dir/answers.old"
unknown '{"silence": true}' 6 'in time' 3s
unknown '{"error": {"message": "vol: what?", "data": {"exit": 3}}}' 3 'what\?'
unknown '{"hangup": true}' 1 'nothing was done'
for volumes in '[]' '[{"name": "vol"}]' '[{"name": "vol", "rolled_back": null}]'; do
	unknown "{\"result\": {\"volumes\": $volumes}}" 5 'not known.*say --yes'
done
mv "$scratch_dir/answers.old" "$answers"

# What loses nothing asks nothing.
rm -f "$socket.log"
for words in "enable vol --target nbds://b/v" "resolve vol --keep peer --dry-run" \
	"failover vol --force --dry-run"; do
	# shellcheck disable=SC2086
	on-a-terminal '' '' replicactl $words >"$out"
	is "no question: $words" "$? $(grep -c 'Go on' "$out")" "0 0"
done
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the other site of a pair could fill the log,
# and the disk, with lines about what it says, one after the other.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-route.sh"
requires_cmd jq
begin_config
start_daemon
start_b
choose_port
invite p --create "v:1MiB:$site_b/v.base" || bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
id=$(b_pair p pair_id)
stop_daemon	# A says nothing from now on: we do

lines() {
	grep -cE 'p: .*(pair: (a verb is refused|no verbs)|asks for)' "$b_log"
}
# wrong TEXT: a message that makes no sense
wrong() {
	b rpc-call peer "{\"pair_id\": \"$id\", \"message\": \"$1\"}" >/dev/null 2>&1
	nr=$((nr + 1))
}
# Messages in turn, then verbs in turn: each is news after the one before.
nr=0
SECONDS=0
for _ in {1..100}; do
	wrong '{}'
	wrong '{\"dm_replica_verbs\": 9}'
done
for _ in {1..5}; do
	answer "$id" fly '{"volume": "v"}' >/dev/null
	answer "$id" extend '{"volume": "none"}' >/dev/null
done
most=$(((SECONDS / 60 + 1) * 31))
check "$((nr + 10)) refusals are told in $(lines) lines, $most at most" eval \
	'[ $(lines) -ge 10 ] && [ $(lines) -le $most ] && [ $most -lt $nr ]'
is "  who asks is told each time" "$(answer "$id" fly '{"volume": "v"}')" 2
b_stops_cleanly
finish

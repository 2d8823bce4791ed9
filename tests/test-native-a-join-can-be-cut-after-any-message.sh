#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is a record of a join's TLS after
# which the link must not be cut: one side would believe in a pair that the other
# has not, or who joins would not be told what to do. The link is cut at each record
# of both sides in turn (it is lost, or half of it), and goes silent at each.
# lab: timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
requires_cmd cut-proxy

# start_proxy NAME MESSAGES OPTION...: the way to B's door at $port; $steps
start_proxy() {
	local name=$1 messages=$2
	shift 2
	steps=$scratch_dir/steps.$name
	cut-proxy "$@" "127.0.0.1:$port" "127.0.0.2:$port" "$messages" \
		"$steps" 2>>"$scratch_dir/proxy.log" &
	cleanup_fn kill_pid $!
	wait_until 60 eval '[ -n "$(ss -Hltn "src 127.0.0.1:$port")" ]' ||
		bail "no proxy: $(cat "$scratch_dir/proxy.log")"
}

# invite_by_proxy NAME: to the file token.NAME
invite_by_proxy() {
	b replicactl pair invite "$1" --address "127.0.0.1:$port" \
		--listen 127.0.0.2 --dir "$stage_dir" \
		>"$scratch_dir/token.$1" 2>>"$scratch_dir/invite-says" ||
		bail "no invitation"
}

# join_by_proxy NAME: what it says goes to says.NAME
join_by_proxy() {
	replicactl pair join "$1" <"$scratch_dir/token.$1" \
		>"$scratch_dir/says.$1" 2>&1
}

a_has() {
	[ -e "$state_dir/pairs/$1.key" ]
}

same_key() {
	cmp -s "$state_dir/pairs/$1.key" "$site_b/state/pairs/$1.key"
}

wrong() {
	printf '%s\n' "$* $(tail -n 1 "$steps"): $(cat "$scratch_dir/says.p")" \
		>>"$scratch_dir/wrong"
}

# judge_failed: a join of p that failed. An invitation that stands is used again.
judge_failed() {
	! a_has p || wrong "a failed join left something"
	grep -qE 'handshake|may stand there|invitation still open' \
		"$scratch_dir/says.p" || wrong "no next step"
	[ "$(b_pair p state)" = serving ] || return 0
	nr_in_doubt=$((nr_in_doubt + 1))
	grep -qE 'may stand there|has the invitation been used' \
		"$scratch_dir/says.p" || wrong "not told"
	b replicactl pair revoke p >/dev/null || wrong "cannot be revoked"
	invite_by_proxy p
}

judge_joined() {
	same_key p || wrong "joined, but not the same key"
	replicactl pair revoke p >/dev/null || wrong "A cannot revoke it"
	b replicactl pair revoke p >/dev/null || wrong "B cannot revoke it"
	invite_by_proxy p
}

begin_config
start_daemon
start_b
choose_port
start_proxy p 30 --each
invite_by_proxy p
nr_in_doubt=0
nr_joins=0
while ! grep -q ^done "$steps" && [ $nr_joins -lt 200 ]; do
	nr_joins=$((nr_joins + 1))
	if join_by_proxy p; then
		judge_joined
	else
		judge_failed
	fi
done
note "$nr_joins joins, $(grep -c ^step "$steps") cut, $nr_in_doubt in doubt"
check "each record was lost, of both sides" eval \
	'grep -q ^done "$steps" && [ $(grep -c ^step "$steps") -ge 16 ]'
check "the answer was lost, too" test $nr_in_doubt -ge 1
is "after each, both sides are right, or one is told" \
	"$(cat "$scratch_dir/wrong" 2>/dev/null)" ""
check "then they join" join_by_proxy p
check "  with one key" same_key p
check "  and B serves" wait_until 60 serves p

# Silence: the joins wait for their deadline, those of all records at once.
silent_joins() {
	join_by_proxy "$1" ||
		cp "$scratch_dir/says.$1" "$scratch_dir/silence.$1.1"
	a_has "$1" || join_by_proxy "$1" ||
		cp "$scratch_dir/says.$1" "$scratch_dir/silence.$1.2"
}

# agree NAME: at last, after another invitation if one is told to ask for it
agree() {
	if ! a_has "$1" && [ "$(b_pair "$1" state)" = serving ]; then
		b replicactl pair revoke "$1" || return
		port=$(cut -d : -f 2 "$scratch_dir/token.$1" | cut -d / -f 1)
		invite_by_proxy "$1"
	fi
	a_has "$1" || join_by_proxy "$1" || return
	same_key "$1"
}

pids=()
for m in 1 2 3 4 5 6; do
	choose_port
	start_proxy s$m $m-$m --mute --each
	invite_by_proxy s$m
	silent_joins s$m &
	pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid"; done
says=$(cat "$scratch_dir"/silence.*)
note "$(sort <<<"$says" | uniq -c)"
# Who waits longer is told of the other's end.
check "silence has an end at each side's record" eval \
	'[ $(grep -cE "no answer in time|reset by peer" <<<"$says") -ge 6 ]'
check "  by a deadline" grep -q "no answer in time" <<<"$says"
check "  that may have been the answer" grep -q \
	": the pair may stand there" <<<"$says"
for m in 1 2 3 4 5 6; do
	check "they join after silence at record $m" agree s$m
done
check "B is well" b rpc-call status
both_stop_cleanly
finish

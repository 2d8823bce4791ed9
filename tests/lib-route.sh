# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-verbs-go-*.sh, after lib-pair.sh: what one side says to the other
# one, by hand.

# status_of COMMAND...: its exit status; what it says is in $scratch_dir/says
status_of() {
	"$@" >"$scratch_dir/says" 2>&1
	echo $?
}
says() {
	grep -q -- "$1" "$scratch_dir/says"
}
# say ID ASKS [ANSWERS]: B's nbdkit says to B, of the pair with that id, what A
# would say; the answer of B to it. A is to be stopped: who speaks after another
# process has spoken is not heard any more (route.h, O3).
say() {
	local message
	message=$(jq -nc --argjson asks "$2" --argjson seq "$(date +%s%3N)" \
		--argjson answers "${3:-[]}" \
		'{dm_replica_verbs: 1, from: "00112233445566ff", seq: $seq,
		asks: $asks, answers: $answers}')
	b rpc-call peer "$(jq -nc --arg i "$1" --arg m "$message" \
		'{pair_id: $i, message: $m}')" | jq -r .message
}
# answer ID VERB PARAMS: the exit status that B answers it with
answer() {
	local to
	to=$(say "$1" '[]' | jq -r .from)
	say "$1" "$(jq -nc --arg v "$2" --argjson p "$3" --arg to "$to" \
		--argjson i "$(date +%s%3N)" \
		'[{id: $i, to: $to, verb: $v, params: $p}]')" |
		tee "$scratch_dir/says" | jq -r '.answers[0].exit'
}
# asks ID: sets ask to the id of what B asks for; it is told then
asks() {
	ask=$(say "$1" '[]' | jq '.asks[0].id // empty')
	[ -n "$ask" ]
}

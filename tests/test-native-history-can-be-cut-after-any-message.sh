#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is a message after which the link must
# not be cut while a history is read: a part of it would pass for all of it, or who
# asks would wait for ever, or not be told. The link is cut at each message of that
# conversation in turn (it is lost, or half of it), and goes silent at some.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"
requires_cmd cut-proxy

# start_proxy NAME MESSAGES [OPTION...]: to the stage; $steps
start_proxy() {
	local name=$1 messages=$2
	shift 2
	steps=$scratch_dir/steps.$name
	cut-proxy --each "$@" "$scratch_dir/proxy.$name" \
		"$scratch_dir/a.nbd" "$messages" "$steps" 2>>"$plugin_log" &
	cleanup_fn kill_pid $!
	wait_until 60 test -S "$scratch_dir/proxy.$name" || bail "no proxy"
}

history_by() {
	replicactl history --target "nbd+unix:///a?socket=$scratch_dir/$1" \
		--json
}

is_whole() {
	jq -c .epochs "$1" | cmp -s "$scratch_dir/epochs" -
}

is_told() {
	json_holds '.error.message | length > 10' <"$1" >/dev/null
}

make_volume a
start_stage history=1h
begin_config
configure a
start_daemon
check "the first sync" equals
for i in 1 2 3; do
	sim-ctl write a $((i * 65536)) 65536 $i
	wait_settled a || bail "no epoch"
done
stop_daemon
history_by a.nbd | jq -c .epochs >"$scratch_dir/epochs"
check "there is a history" eval '[ "$(jq length "$scratch_dir/epochs")" -ge 3 ]'

start_proxy p 100
nr=0
nr_failed=0
until grep -q ^done "$steps" || [ $nr = 400 ]; do
	nr=$((nr + 1))
	if history_by proxy.p >"$scratch_dir/says" 2>&1; then
		is_whole "$scratch_dir/says"
	else
		nr_failed=$((nr_failed + 1))
		is_told "$scratch_dir/says"
	fi || (tail -n 1 "$steps"; cat "$scratch_dir/says") >>"$scratch_dir/wrong"
done
nr_cut=$(grep -c ^step "$steps")
note "$nr times, $nr_cut cuts, $nr_failed failed"
check "it was cut at each message" eval 'grep -q ^done "$steps" &&
	[ $nr_cut -ge 16 ] && [ $nr_failed -ge 12 ]'
is "it was whole, or failed in words" \
	"$(cat "$scratch_dir/wrong" 2>/dev/null)" ""
check "then it is all there" eval \
	'history_by proxy.p >"$scratch_dir/says" && is_whole "$scratch_dir/says"'

# Silence has an end: the waits for it are at once.
pids=()
for m in 1 2 3; do
	start_proxy s$m $m-$m --mute
	for kind in 1 2; do
		history_by proxy.s$m >"$scratch_dir/says.$m.$kind" 2>&1 &
		pids+=($!)
		wait_until 60 eval '[ "$(grep -c ^step "$steps")" = $kind ]'
	done
done
for pid in "${pids[@]}"; do
	wait "$pid"
	is "silence ends by a deadline" $? 6
done
for says in "$scratch_dir"/says.*; do
	check "  told in words" is_told "$says"
done
finish

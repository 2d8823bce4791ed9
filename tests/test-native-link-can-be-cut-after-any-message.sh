#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, there is a message of the protocol, a request or a reply, after
# which the link must not be cut: the replica showed an image that never was, or
# the pair did not go on by itself. The link is cut at each message of a
# connection in turn, from its first to after several epochs: the message lost or
# half of it, and everything lost from then on in one direction only. Dependent
# writes go on all the while, and what the replica shows is looked at.
# DMR_SOAK_SECONDS=N looks at more messages.
# lab: timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-watch.sh"
requires_cmd oracle-sim-writer oracle-watch oracle-check cut-proxy
messages=16
[ -z "${DMR_SOAK_SECONDS-}" ] || messages=120

# The daemon's way to the stage leads through the proxy.
uri_of() {
	echo "nbd+unix:///$1?socket=$scratch_dir/proxy"
}

# start_proxy [OPTION]
start_proxy() {
	rm -f "$scratch_dir/proxy" "$scratch_dir/steps"
	cut-proxy "$@" "$scratch_dir/proxy" "$watch_socket" $messages \
		"$scratch_dir/steps" 2>>"$plugin_log" &
	proxy_pid=$!
	cleanup_fn kill_pid $proxy_pid
	wait_until 60 test -S "$scratch_dir/proxy" || bail "no proxy"
}

all_taken() {
	grep -q '^done' "$scratch_dir/steps"
}

# cut_at_each "VOLUMES" KINDS "CONFIG" [PROXY-OPTION]: KINDS steps a message
cut_at_each() {
	start_proxy ${4+"$4"}
	begin_watch "$1" 4 history=2s "timeout=$timeout $3" \
		"--chains 2 --max 8192 --pause 60000" "--images 3"
	check "each of $(($2 * messages)) steps was taken" \
		wait_until 600 all_taken
	is "  at its message" "$(grep -c '^step' "$scratch_dir/steps")" \
		$(($2 * messages))
	note "$(grep -v '^step' "$scratch_dir/steps")"
	end_watch "afterwards${4+, $4}"
	kill_pid "$proxy_pid"
}

timeout=20s
cut_at_each a 4 connections=1
check "the answer to a commit was lost" grep -q "in doubt: it is committed" \
	"$daemon_log"
check "  and a commit" grep -q "in doubt: aborted" "$daemon_log"
timeout=2s	# each silence lasts as long
cut_at_each a 2 connections=1 --mute
timeout=20s
messages=$((messages / 3))
cut_at_each "a b" 4 "connections=2 window=64KiB"
finish

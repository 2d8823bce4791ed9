# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-pair-*.sh, after lib.sh and lib-native.sh: a second replicad,
# the receiving site B, with a socket, a state folder and a stage of its own.

plugin_so=$top_dir/daemon/nbdkit-replica-plugin.so
requires_cmd ss nbdinfo
[ -e "$plugin_so" ] || skip_all "needs $plugin_so"
site_b=$scratch_dir/b
b_log=$scratch_dir/b.log
stage_dir=$site_b/stage
mkdir -p "$stage_dir"

# b COMMAND...: as at site B
b() {
	SIM_DIR=$site_b REPLICA_SOCKET=$site_b/control "$@"
}

# start_b: with $b_options, lines of [replicad]
start_b() {
	printf '[replicad]\nstate_dir=%s\nreactors=1\nplugin=%s\n%s\n' \
		"$site_b/state" "$plugin_so" "${b_options-}" >"$site_b/conf"
	SIM_DIR=$site_b REPLICA_SOCKET=$site_b/control \
		replicad-sim --config "$site_b/conf" 2>>"$b_log" &
	b_pid=$!
	cleanup_fn kill_pid $b_pid
	wait_until 60 b rpc-call status || bail "no replicad at B: $(
		tail -n 3 "$b_log")"
}

# kill_b: and waits for its servers, which are told to end with it: what they
# write on the way must not come between the site and its copy.
kill_b() {
	kill_pid $b_pid
	wait_until 60 eval '! pgrep -f -- "$site_b/" >/dev/null' ||
		bail "servers of B go on without it"
}

b_stops_cleanly() {
	kill -TERM $b_pid
	wait $b_pid
	is "B stops cleanly" $? 0
}

both_stop_cleanly() {
	b_stops_cleanly
	stop_daemon
	is "A too" $? 0
}

# choose_port: sets port to one that nobody listens at
choose_port() {
	for _ in 1 2 3 4 5 6 7 8 9; do
		port=$((20000 + RANDOM % 10000))
		[ -n "$(ss -Hltn "sport = :$port")" ] || return 0
	done
	bail "no free port"
}

# invite NAME [OPTION...]: the token goes to $scratch_dir/token
invite() {
	local name=$1
	shift
	b replicactl pair invite "$name" --address "127.0.0.1:$port" \
		--listen 127.0.0.1 --dir "$stage_dir" "$@" \
		>"$scratch_dir/token" 2>"$scratch_dir/invite-says"
}

# join NAME: with that token
join_pair() {
	replicactl pair join "$1" <"$scratch_dir/token"
}

# b_pair NAME FIELD
b_pair() {
	b rpc-call pair_list | jq -r --arg n "$1" --arg f "$2" \
		'.pairs[] | select(.name == $n) | .[$f]'
}

serves() {
	[ "$(b_pair "$1" state)" = serving ] &&
		[ -n "$(ss -Hltn "sport = :$port")" ]
}

image() {
	nbdcopy "nbds://$(b_pair p pair_id)@127.0.0.1:$port/$1@latest?$(
		)tls-psk-file=$site_b/state/pairs/p.key" "$2"
}

# paired_equals VOLUME [SECONDS]: what is at B is the volume
paired_equals() {
	wait_settled "$1" "${2-30}" && image "$1" "$scratch_dir/image" &&
		cmp "$scratch_dir/$1.img" "$scratch_dir/image"
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is a record of an encrypted connection,
# of the handshake or after it, after which the link must not be cut: the pair
# would stop in an error that an operator must look at, never come back, or have
# another image than the volume's. The link is cut at each record of both sides in
# turn (lost, or half of it), and goes silent in one direction at each.
# lab: timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
requires_cmd cut-proxy
# Before the handshake a side has two messages, of the handshake four at most.
messages=12
[ -z "${DMR_SOAK_SECONDS-}" ] || messages=120

# start_proxy MESSAGES [OPTION]: sets proxy_pid
steps=$scratch_dir/steps
start_proxy() {
	rm -f "$steps"
	cut-proxy --live=1000 ${2+"$2"} "127.0.0.1:$port" "127.0.0.2:$port" "$1" "$steps" \
		2>>"$scratch_dir/proxy.log" &
	proxy_pid=$!
	cleanup_fn kill_pid $proxy_pid
	wait_until 60 eval '[ -n "$(ss -Hltn "src 127.0.0.1:$port")" ]' ||
		bail "no proxy: $(cat "$scratch_dir/proxy.log")"
}

# The state, each time that it is asked for; writes go on.
nr_writes=0
look_and_write() {
	nr_writes=$((nr_writes + 1))
	sim-ctl write a $((nr_writes % 64 * 65536)) 65536 $nr_writes
	field a state >>"$scratch_dir/states"
	grep -q '^done' "$steps"
}

# cut_at_each KINDS [OPTION]: KINDS steps a record
cut_at_each() {
	local nr=$(($1 * messages))
	start_proxy $messages ${2+"$2"}
	wait_until 600 look_and_write
	is "each of $nr steps was taken${2+, $2}" \
		"$(grep -c '^step' "$steps")" $nr
	note "$(grep -v '^step' "$steps")"
	check "  it is replicated afterwards" wait_settled a 60
	check "  and is the volume" eval 'image a "$scratch_dir/image" &&
		cmp "$scratch_dir/a.img" "$scratch_dir/image"'
	kill_pid $proxy_pid
}

# The receiver is behind the proxy's address.
make_volume a
begin_config
printf '[volume a]\ntarget=pair:p\n%s\n' 'heartbeat=200ms
interval=20ms
stale_wait=300ms
timeout=2s
connections=1' >>"$scratch_dir/conf"
start_daemon
start_b
choose_port
b replicactl pair invite p --address "127.0.0.1:$port" --listen 127.0.0.2 \
	--dir "$stage_dir" --create "a:${native_mib}MiB:$site_b/a.base" \
	>"$scratch_dir/token" 2>"$scratch_dir/invite-says" ||
	bail "no invitation"
start_proxy 0
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
check "it is replicated" wait_settled a 60
kill_pid $proxy_pid

cut_at_each 4
cut_at_each 2 --mute
is "no cut was an error" "$(sort -u "$scratch_dir/states" |
	grep -vxE 'connecting|syncing|replicating|catching-up')" ""
note "$nr_writes writes; $(sort "$scratch_dir/states" | uniq -c | tr '\n' ' ')"
both_stop_cleanly
finish

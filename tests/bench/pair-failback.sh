#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
#
# The way back after a forced failover, on the simulated kernel, in a network of
# its own: scattered chunks have changed at A (some of them delivered, but above
# the epoch that B was promoted at, some never sent) and at B since then; A gives
# its own up, and B sends what it has to the disk that A has.
#
#   failback-shipped  bytes of data that B sends; the peer: the chunks that either
#                     site has changed, each once. The goal is a ratio of at most
#                     1.1
#   failback-wire     all that goes over the link for it, both ways, with TLS,
#                     digests and headers; the same peer
[ -n "${DMR_NETNS-}" ] || exec unshare --net env DMR_NETNS=1 "$0"
here=$(dirname "$(readlink -f "$0")")
. "$here/common"
. "$here/../lib-native.sh"
. "$here/../lib-pair.sh"
. "$here/../lib-failover.sh"
requires_cmd ip
native_mib=${MIB:-64} WRITES=${WRITES:-600}

ip link set lo up || bail "no loopback"

join_pair() {
	replicactl pair join "$1" <"$scratch_dir/token" >/dev/null
}

wire_bytes() {
	ip -s -j link show lo | jq '.[0].stats64.tx.bytes'
}

b_settled() {
	[ "$(b rpc-call get a state)" = replicating ] &&
		[ "$(b rpc-call get a dirty_bytes)" = 0 ] &&
		[ "$(b rpc-call get a epoch)" = 0 ]
}

# part_ways: what each of them has that the other has not
part_ways() {
	make_epoch 11 $((native_mib << 19))
	sim-ctl storm a "$WRITES" 21 || bail "A does not write"
	wait_settled a 60 || bail "not settled"
	lose_a
	sim-ctl storm a "$WRITES" 22 || bail "A does not write"
	b replicactl failover a --force --epoch "$epoch" \
		>"$scratch_dir/says" 2>&1 ||
		bail "no failover: $(cat "$scratch_dir/says")"
	b sim-ctl storm a "$WRITES" 23 || bail "B does not write"
}

# union: the chunks that changed at A or at B, counted
union() {
	{
		differing "$scratch_dir/image.$epoch" "$scratch_dir/a.img"
		differing "$scratch_dir/image.$epoch" "$site_b/a.base"
	} | sort -un | wc -l
}

# give_up_a: A keeps what B has, and invites B to send it
give_up_a() {
	start_daemon
	wait_until 60 field_is a state superseded || bail "A is not superseded"
	replicactl resolve a --keep peer >"$scratch_dir/says" 2>&1 ||
		bail "not given up: $(cat "$scratch_dir/says")"
	replicactl disable a >/dev/null || bail "not disabled"
	stop_daemon
	printf '[replicad]\nstate_dir=%s\nreactors=1\nplugin=%s\n' \
		"$state_dir" "$plugin_so" >"$scratch_dir/conf"
	start_daemon
	choose_port
	mkdir "$scratch_dir/stage"
	replicactl pair invite q --address "127.0.0.1:$port" \
		--listen 127.0.0.1 --dir "$scratch_dir/stage" \
		--create "a:${native_mib}MiB:$scratch_dir/a.img" \
		>"$scratch_dir/token" || bail "A does not invite"
	b replicactl pair join q <"$scratch_dir/token" >/dev/null ||
		bail "B does not join"
}

replicate_pair
sim-ctl write a $((native_mib << 19)) $((native_mib << 19)) 9 ||
	bail "A does not write"
part_ways
changed=$(($(union) * 4096))
give_up_a
before=$(wire_bytes)
b replicactl enable a --target pair:q --heartbeat 200ms --interval 20ms \
	>/dev/null || bail "B does not send it"
wait_until 120 b_settled || bail "A does not get it: $(b rpc-call status)"
wire=$(($(wire_bytes) - before))
shipped=$(b rpc-call get a bytes_shipped)
row failback-shipped "$shipped" bytes "changed at A or B" $changed \
	"$(quotient "$shipped" $changed)"
row failback-wire $wire bytes "changed at A or B" $changed \
	"$(quotient $wire $changed)"
b replicactl failover a --planned >"$scratch_dir/says" 2>&1 ||
	bail "not handed over: $(cat "$scratch_dir/says")"
replicactl failover a --force >"$scratch_dir/says" 2>&1 ||
	bail "A does not take it over: $(cat "$scratch_dir/says")"
cmp "$site_b/a.base" "$scratch_dir/a.img" || bail "A has not what B had"
echo "of a volume of $native_mib MiB; the goal of failback-shipped: at most 1.1"
test_finished=0
exit 0

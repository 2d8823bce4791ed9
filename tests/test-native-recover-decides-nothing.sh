#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: "recover", which is said at night without a
# second thought, would decide whose data count, or would begin a failover; or not
# go on with one that was begun, nor start a server that has ended.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
requires_cmd jq

# recover WANTED_STATUS SITE ARGUMENT...: SITE is env (A) or b; prints to $out
out=$scratch_dir/out
recover() {
	local want=$1 status=0
	shift
	[ $want != 0 ] || set -- "$@" --wait 2m
	"$1" replicactl recover "${@:2}" >"$out" 2>&1 || status=$?
	is "recover at $*: status $want" "$status" "$want" || note "$(cat "$out")"
}
says() {
	check "  it says: $1" grep -qE -- "$1" "$out" || note "$(cat "$out")"
}
silent() {
	check "  nothing was tried of $1" eval '! grep -q "^$1: tried" "$out"'
}

replicate_pair
make_epoch 11 0
recover 0 b
says 'Nothing is in error'
recover 0 b a		# a replica is known, by its pair
is "  and is not promoted" "$(b rpc-call status | jq '.volumes | length')" 0

# --- a server that ends ---------------------------------------------------------
mv "$stage_dir" "$stage_dir.away"
touch "$stage_dir"
kill -KILL "$(b_pair p server_pid)"
check "it is started again, in vain" wait_until 60 eval \
	'[ $(grep -c "it is started again in" "$b_log") -ge 4 ]'
recover 4 b
says '^pair p: tried: start its server; still restarting: '
says 'next: '
check "it is waited for longer and longer" wait_until 60 eval \
	'[ $(grep -c "it is started again in" "$b_log") -ge 8 ]'
rm "$stage_dir"
mv "$stage_dir.away" "$stage_dir"
recover 0 b
says '^pair p: tried: start its server; now serving'
recover 0 env
wait_settled a 60 || bail "A does not go on"

# --- superseded -----------------------------------------------------------------
b replicactl failover a --force >/dev/null 2>&1 || bail "no failover"
sim-ctl write a 131072 4096 9
check "A is superseded" wait_until 60 field_is a state superseded
dirty=$(sim-ctl get a dirty)
recover 4 env
says '^a: superseded: '
says 'next: .*resolve --keep peer'
silent a
is "  it is as it was" "$(field a state) $(sim-ctl get a dirty)" \
	"superseded $dirty"
recover 0 b
is "the other one is, too" "$(b rpc-call get a state)" promoted

# --- a failover that cannot go on ------------------------------------------------
kill_b
b sim-ctl meta a unplug		# as a boot does
mv "$site_b/a.base" "$site_b/a.away"
start_b
check "without its base it is no device" wait_until 60 eval \
	'[ "$(b rpc-call get a state)" = error ]'
recover 4 b a --dry-run
says 'would be tried: go on with its failover'
recover 4 b a
says '^a: tried: go on with its failover; still error: '
mv "$site_b/a.away" "$site_b/a.base"
recover 0 b a
says '^a: tried: go on with its failover; now promoted'
both_stop_cleanly
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a script could not know when a volume has a
# replica: it would go on before there is one, or wait for what no waiting brings.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

said=$scratch_dir/said
# waits WANTED-STATUS ARGUMENT...: what status --wait answers
waits() {
	local want=$1 status=0
	shift
	timeout 120 replicactl status "$@" >"$scratch_dir/out" 2>"$said" || status=$?
	is "status $*" $status "$want" || note "$(cat "$said")"
}
# waiter ARGUMENT...: the same beside; sets waiter, and its status goes to $ended
ended=$scratch_dir/ended
waiter() {
	rm -f "$ended"
	{ replicactl status "$@" >"$scratch_dir/out" 2>"$said"; echo $? >"$ended"; } &
	waiter=$!
	cleanup_fn kill_pid $waiter
}
has_ended() {
	grep -q . "$ended" 2>/dev/null
}

make_volume a
make_volume b
start_target b
begin_config
configure a
configure b
start_daemon
check "one of them replicates" replica_equals b
waits 0 b --wait=1s
check "  and is shown" grep -q '^b .*consistent' "$scratch_dir/out"
waits 6 --wait=1s
check "  and why is said" grep -q 'a: connecting' "$said"
waits 3 c --wait
waits 2 --wait=soon
waits 2 --wait --watch
waits 2 --wait --target stage:/x/y

waiter a --wait
check "who waits is told for what" wait_until 20 grep -q '^waiting: a: connecting' "$said"
check "  and goes on waiting" eval '! has_ended'
start_target a
check "when there is a replica it ends" wait_until 60 has_ended
is "  well" "$(cat "$ended")" 0
is "  and not before" "$(field a replica_consistent)" true
waits 0 --wait=1s --json
check "  all of them are told" eval \
	'[ "$(jq "[.volumes[].state == \"replicating\"] | length" "$scratch_dir/out")" = 2 ]'

replicactl pause a >/dev/null
waits 4 --wait
check "what nobody waits for is said at once" grep -q 'a: paused' "$said"
replicactl resume a >/dev/null
kill_daemon
waiter --wait
check "replicad may be on its way up" wait_until 20 grep -q '^waiting: ' "$said"
start_daemon
check "  then it ends" wait_until 60 has_ended
is "  well" "$(cat "$ended")" 0
stop_daemon
finish

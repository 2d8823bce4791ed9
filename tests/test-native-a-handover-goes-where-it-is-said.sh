#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who says where a volume is to be handed over to
# would have it handed over elsewhere; or a slip in that would change something.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"

truncate -s $((native_mib + 2))M "$scratch_dir/spare"
begin_config
cat >>"$scratch_dir/conf" <<END
[target site-b]
uri=pair:p/{volume}
[target spare]
uri=local:$scratch_dir/spare
[target other]
uri=local:/nowhere
[pool p]
members=a
END
start_daemon
start_b
choose_port
invite p --history 1h --create "a:${native_mib}MiB:$site_b/a.base" ||
	bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
make_volume a
rpc-call enable '{"volume":"a","options":{"targets":"spare, site-b","heartbeat":"200ms"}}' \
	>/dev/null || bail "not enabled"
check "it is replicated to the first" wait_settled a 60

# refused DESCRIPTION STATUS WORDS ARGUMENT...: and nothing has changed
refused() {
	local status=0
	replicactl failover "${@:4}" >"$scratch_dir/says" 2>&1 || status=$?
	is "$1: status" $status "$2"
	check "  it says so" grep -q -- "$3" "$scratch_dir/says" ||
		note "$(cat "$scratch_dir/says")"
	is "  and nothing has changed" "$(field a writes) $(field a state)" \
		"allowed replicating"
}
refused "a target that is not there" 3 'no target site-c, the nearest is "site-b"' \
	a --planned --to site-c
refused "one that it may not go to" 5 'a: other is no target of it' a --planned --to other
refused "one that it does not go to now" 5 \
	'a goes to spare now: first replicactl target use site-b a' a --planned --to site-b
refused "  nor its pool" 5 'a goes to spare now' --pool p --planned --to site-b
refused "  nor its host" 5 'a goes to spare now' --host --planned --to site-b
refused "  not even to try" 5 'a goes to spare now' a --planned --to site-b --dry-run
refused "forced" 2 '--to is of --planned' a --force --to site-b
is "nor by the socket" "$(rpc-call failover '{"volume":"a","force":true,"to":"spare"}' \
	2>&1 | grep -c 'to is of planned')" 1

check "as it was told" replicactl target use site-b a
check "  it gets there" paired_equals a 60
refused "  now the first is refused" 5 'a goes to site-b now' a --planned --to spare
check "a dry run" replicactl failover a --planned --to site-b --dry-run
check "and it is handed over" replicactl failover --host --planned --to site-b
is "  nobody writes to it here" "$(field a writes) $(field a state)" "refused superseded"
cp "$scratch_dir/a.img" "$scratch_dir/last.img"
check "  it is taken over there" b replicactl failover a --force
check "  with all of it" cmp "$scratch_dir/last.img" "$site_b/a.base"
stop_daemon
is "it stops cleanly" $? 0
kill_pid $b_pid
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=400
# What would be wrong if this failed: a failover of a pool or of a host would leave
# a volume out, tear a group apart, stop at the first that fails, or not be there
# to be asked for again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

all="a c d e"
for v in $all; do
	make_volume $v
done
pools='[pool half]
members=a, d
[pool whole]
members=a, c, d
[pool none]
members=nobody
'
begin_config
mkdir "$scratch_dir/volumes"
printf '%s[backend east]\ndriver=file\nfolder=%s\n' "$pools" \
	"$scratch_dir/volumes" >>"$scratch_dir/conf"
for v in $all; do
	printf '[volume %s]\ntarget=pair:p\n%s' $v \
		$'heartbeat=200ms\ninterval=20ms\nstale_wait=300ms\n'
	case $v in a | c) echo group=g ;; esac
done >>"$scratch_dir/conf"
start_daemon
b_options=$pools
start_b
choose_port
invite p --history 1h --create "g/a:${native_mib}MiB:$site_b/a.base" \
	--create "g/c:${native_mib}MiB:$site_b/c.base" \
	--create "d:${native_mib}MiB:$site_b/d.base" \
	--create "e:${native_mib}MiB:$site_b/e.base" || bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
for v in $all; do
	paired_equals $v 60 || bail "B does not get $v"
done

# outcome FILE: "NAME ok|already|error" of each, in one line
outcome() {
	jq -r '[.volumes[] | "\(.name) " + (if .error then "error" elif
		.already then "already" else "ok" end)] | sort | join(", ")' "$1"
}
states() {
	"$@" rpc-call status | jq -r '[.volumes[] | "\(.name) \(.state)"] |
		sort | join(", ")'
}
replicating="a replicating, c replicating, d replicating, e replicating"
field_at_b() {
	jq -r --arg v "$1" ".volumes[] | select(.name == \$v) | .$2" \
		"$scratch_dir/told"
}

# --- who is meant -----------------------------------------------------------------
for site in eval b; do
	for how in --planned --force; do
		refuses "no such pool ($site, $how)" "pool halb, .*half" $site \
			replicactl failover --pool halb $how
		refuses "nobody" "no volume is .*, of pool none" $site \
			replicactl failover --pool none $how
	done
done
refuses "part of a group, planned" "group g: c is of it, and not of pool half" \
	replicactl failover --pool half --planned
refuses "  or forced" "group g: c is of it, and not of pool half" \
	b replicactl failover --pool half --force
refuses "a volume and a pool" "one of them" replicactl failover a --pool whole \
	--planned
refuses "none" "one of them" replicactl failover --planned
refuses "an epoch for many" "are of one VOLUME" b replicactl failover --host \
	--force --epoch 3
refuses "  also by the socket" "epoch is of one volume" b rpc-call failover \
	'{"host":true,"force":true,"epoch":3}'
refuses "neither way" "neither force nor planned" b rpc-call failover '{"host":true}'
check "what it would cost, of a pool" eval \
	'b replicactl failover --pool whole --dry-run >"$scratch_dir/told"'
is "  of each" "$(grep -c "would become a primary here" "$scratch_dir/told")" 3
check "and a handover of this host" eval \
	'replicactl failover --host --planned --dry-run >"$scratch_dir/told"'
is "  of each" "$(grep -c "all of it is at the other site" "$scratch_dir/told")" 4
is "nothing has changed" "$(states eval)" "$replicating"
is "  there, too" "$(states b)" ""

# --- planned ------------------------------------------------------------------------
# Who is not replicated is in nobody's failover
replicactl create z --size 1MiB --backend east >/dev/null || bail "no volume z"
z=$(replicactl create --json | jq -c .volumes)
head -c 1M /dev/urandom >"$(jq -r '.[0].base' <<<"$z")"
sum=$(cat "$scratch_dir"/volumes/z* | sha256sum)
sim-ctl meta d use
replicactl failover --host --planned --json >"$scratch_dir/told" \
	2>"$scratch_dir/says"
is "one of them is in use: that is told" $? 1
is "  of it" "$(outcome "$scratch_dir/told")" "a ok, c ok, d error, e ok"
check "  why" eval '[[ $(field_at_b d error) == *"in use"* ]]'
is "  the group went at once" "$(field_at_b a group) $(field_at_b c group)" "g g"
sim-ctl meta d leave
check "the same again" eval \
	'replicactl failover --host --planned --json >"$scratch_dir/told"'
is "  now all of them" "$(outcome "$scratch_dir/told")" "a ok, c ok, d ok, e ok"
is "  nobody writes here" "$(states eval)" \
	"a superseded, c superseded, d superseded, e superseded"
is "  who is not replicated is as before" "$(replicactl create --json | jq -c .volumes)" \
	"$z"
is "    with its data" "$(cat "$scratch_dir"/volumes/z* | sha256sum)" "$sum"
lose_a

# --- forced -------------------------------------------------------------------------
mkdir "$stage_dir/d.meta"
b replicactl failover --pool whole --force --json >"$scratch_dir/told"
is "one of them fails: that is told" $? 1
is "  and stops none" "$(outcome "$scratch_dir/told")" "a ok, c ok, d error"
is "  the group is of one epoch" "$(field_at_b a epoch)" "$(field_at_b c epoch)"
check "  each is described" test "$(field_at_b c device)" = /dev/mapper/c
rmdir "$stage_dir/d.meta"
check "then the host" eval \
	'b replicactl failover --host --force --json >"$scratch_dir/told"'
is "  all of it" "$(outcome "$scratch_dir/told")" \
	"a already, c already, d ok, e ok"
is "all are primaries" "$(states b)" "a promoted, c promoted, d promoted, e promoted"
for v in $all; do
	check "  $v is as it was" cmp "$scratch_dir/$v.img" "$site_b/$v.base"
done
check "once more, in words" eval \
	'b replicactl failover --host --force >"$scratch_dir/told"'
is "  of each" "$(grep -c "was a primary here already" "$scratch_dir/told")" 4
b_stops_cleanly
finish

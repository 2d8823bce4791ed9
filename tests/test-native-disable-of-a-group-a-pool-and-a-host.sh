#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: disable of a group, a pool or a host would
# touch others, leave one out without a word, or change something though nobody of
# that name is there (Cinder's defects: half of a group is changed, and a volume that
# is left out counts as done).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

there() {
	rpc-call status | jq -r '[.volumes[].name] | sort | join(" ")'
}
begin_config
for name in a b c1 c2 d; do
	make_volume $name
	start_target $name
	configure $name
done
sed -i '/^\[volume [ab]\]/a group=g' "$scratch_dir/conf"
printf '[pool p]\nmembers=c*\n[pool empty]\nmembers=x*\n' >>"$scratch_dir/conf"
make_volume r
start_target r
start_daemon
for name in a b c1 c2 d; do
	check "$name is replicated" replica_equals $name
done
refuses "no group" 'no volume is replicated of h' replicactl disable --group h
refuses "no pool" 'no pool q' replicactl disable --pool q
refuses "nobody in it" 'no volume is replicated of empty' \
	replicactl disable --pool empty
refuses "nothing is named" 'one of them' replicactl disable
refuses "two are" 'one of them' replicactl disable --group g --pool p
refuses "also at the socket" 'want one of volume, group, pool and host' \
	rpc-call disable '{"volume":"a","group":"g"}'
refuses "a slip does not widen who is meant" 'volume is not a text' \
	rpc-call disable '{"volume":5,"host":true}'
refuses "nor does this one" 'host is not true or false' \
	rpc-call disable '{"volume":"a","host":"true"}'
is "nothing has changed" "$(there)" "a b c1 c2 d"
check "a group" eval '[ "$(replicactl disable --group g)" = \
	"a is no longer replicated.
b is no longer replicated." ]'
is "the others stay" "$(there)" "c1 c2 d"
is "the devices have their tables back" "$(sim-ctl get a plain)$(sim-ctl get b plain)" 11
sim-ctl write d 4096 8192 3
check "and go on" replica_equals d
is "a pool" "$(replicactl disable --pool p --json | jq -c '[.volumes[] | [.name, .ok]]')" \
	'[["c1",true],["c2",true]]'
is "only it" "$(there)" d
check "one more, at run time" rpc-call enable \
	"{\"volume\":\"r\",\"target\":\"$(uri_of r)\"}"
mkdir "$state_dir/volumes.conf.new"
check "the host, where one cannot be forgotten: each is told" eval '
	replicactl disable --host --json >"$scratch_dir/out"; [ $? = 1 ]'
is "with its own outcome" "$(jq -c '[.volumes[] | [.name, .ok]]' "$scratch_dir/out")" \
	'[["d",true],["r",false]]'
check "and the reason" grep -q 'comes back after a restart' "$scratch_dir/out"
is "none is left" "$(there)" ""
refuses "again" 'no volume is replicated here' replicactl disable --host
stop_daemon
finish

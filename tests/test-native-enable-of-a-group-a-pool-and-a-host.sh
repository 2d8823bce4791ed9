#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: enable of a group, a pool or a host would leave
# one out without a word, begin with some though another could not be, or touch those
# that are replicated already (Cinder's defect: half of a group stays in "enabling").
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

there() {
	rpc-call status | jq -r '[.volumes[].name] | sort | join(" ")'
}
outcome() {
	jq -c '[.volumes[] | [.name, .ok, .already // false]]' "$scratch_dir/out"
}
begin_config
for name in a b c1 c2 d; do
	[ $name = d ] || make_volume $name
	start_target $name
	configure $name
done
sed -i '/^\[volume [ab]\]/a group=g' "$scratch_dir/conf"
printf '[pool p]\nmembers=c*\n[pool empty]\nmembers=x*\n' >>"$scratch_dir/conf"
cp "$scratch_dir/conf" "$scratch_dir/good"
start_daemon
check "none is replicated" eval 'replicactl disable --host >"$scratch_dir/out" &&
	[ -z "$(there)" ]'

refuses "no group" 'the files have no volume of h' replicactl enable --group h
refuses "no pool" 'no pool q, the nearest' replicactl enable --pool q
refuses "nobody in it" 'no volume of empty' replicactl enable --pool empty
refuses "nothing is named" 'one of them' replicactl enable
refuses "two are" 'one of them' replicactl enable --group g --pool p
refuses "a volume and a pool" 'one of them' replicactl enable a --pool p
refuses "what is said of one" '--target is for one' \
	replicactl enable --pool p --target local:/x
refuses "also at the socket" 'want one of volume, group, pool and host' \
	rpc-call enable '{"volume":"a","pool":"p"}'
sed -i '/^\[volume c2\]/a type=gold' "$scratch_dir/conf"
printf '[type gold]\nreplication_enabled=<is> True\n' >>"$scratch_dir/conf"
refuses "one that cannot be, by its name" 'c2: .*gold' replicactl enable --pool p
is "and nothing was begun" "$(there)" ""
cp "$scratch_dir/good" "$scratch_dir/conf"

refuses "other words of one that a file has: both could not be read again" \
	'c1 is of .*conf:[0-9]*: change it there' replicactl enable c1 --target local:/x
check "one, by its name" replicactl enable c1
check "which is there" replica_equals c1
check "a pool, of which one is there" eval \
	'replicactl enable --pool p --json >"$scratch_dir/out"'
is "each is told" "$(outcome)" '[["c1",true,true],["c2",true,false]]'
check "the other ships" replica_equals c2
is "the others stay" "$(there)" "c1 c2"
check "a group" eval '[ "$(replicactl enable --group g)" = \
	"a is replicated from now on.
b is replicated from now on." ]'
for name in a b; do
	check "$name ships" replica_equals $name
done
is "as a group" "$(field a group)$(field b group)" gg
check "the host, where one has no device: each is told" eval '
	replicactl enable --host --json >"$scratch_dir/out"; [ $? = 1 ]'
is "with its own outcome" "$(outcome)" '[["a",true,true],["b",true,true],["c1",true,true],["c2",true,true],["d",false,false]]'
check "and the reason" eval \
	'json_holds ".volumes[4].error | contains(\"d\")" <"$scratch_dir/out"'
check "by the words of Cinder" eval \
	'replicactl replication-enable --pool p | grep -qx "c1 is replicated already."'
stop_daemon
start_daemon
check "nothing of it is kept twice: replicad starts" replica_equals a
stop_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of an old primary's group some volumes would
# be given up, and others not, whatever is killed or refused; or what was only in
# one of them would be lost.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

resolve() {
	replicactl resolve "${1-c}" --group --keep peer "${@:2}"
}

go_on_superseded() {
	check "  all are superseded still" wait_until 60 all_are state superseded
	check "  none was given up" wait_until 60 all_are writes allowed
	is "  by their roles" "$(roles)" "1 1"
}

group_options=metadata=meta
replicate_group
make_group_epoch 11 0
refuses "a group that works has nothing to resolve" "nothing to resolve" resolve
lose_a
write_alone
b replicactl failover a --group --force >/dev/null || bail "no failover"
start_daemon
check "the group is superseded" wait_until 60 all_are state superseded

is "a dry run tells of each" "$(resolve c --dry-run --json | jq -c \
	'[.group, (.volumes[] | .volume, .lost_bytes >= 131072)]')" \
	'["g","a",true,"c",true]'
check "in words, too" eval '[ "$(resolve a --dry-run |
	grep -c "would be given up")" = 2 ]'
is "it changes nothing" "$(roles)" "1 1"
sim-ctl meta c use
refuses "not while one of them is open" "c: .*is in use" resolve a
sim-ctl meta c leave
mkdir "$state_dir/c.id.new"
refuses "nor where one cannot be noted" "c.id: " resolve a
rmdir "$state_dir/c.id.new"
go_on_superseded
stop_daemon

# kill -9 at each step: before the point of no return none is given up.
for at in begun:2 closed:1 closed:2 seen:1; do
	SIM_DIE_AT=giving-up-${at%:*} SIM_DIE_TURN=${at#*:} start_daemon
	wait_until 60 all_are state superseded || bail "it is not superseded"
	resolve >/dev/null 2>&1
	wait $daemon_pid
	is "killed at $at" $? 137
	start_daemon
	go_on_superseded
	kill_daemon
done

# Then all are: killed before each of them knows it by itself, and after.
for at in agreed:1 done:1 done:2; do
	SIM_DIE_AT=giving-up-${at%:*} SIM_DIE_TURN=${at#*:} start_daemon
	wait_until 60 all_are state superseded || bail "it is not superseded"
	resolve >/dev/null 2>&1
	wait $daemon_pid
	is "killed at $at, after the point of no return" $? 137
	start_daemon
	check "  all stay given up" wait_until 60 all_are writes refused
	is "  by their roles" "$(roles)" "2 2"
	is "  each knows it by itself" "$(jq -r .given_up "$state_dir"/?.id |
		sort -u)" "done"
	check "  the same again finds it done" resolve
	for v in $members; do
		check "  what was only in $v is salvaged, as it was" \
			has_salvage $v
	done
	[ $at != done:2 ] || break
	for v in $members; do
		check "  $v can be enabled anew" eval \
			"replicactl disable $v && replicactl enable $v"
	done
	check "  which changes nothing" wait_until 60 all_are state superseded
	stop_daemon
done
for v in $members; do
	check "$v can be disabled" replicactl disable $v
done
both_stop_cleanly
finish

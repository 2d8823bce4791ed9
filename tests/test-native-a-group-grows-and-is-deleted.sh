#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a member that grows would leave its group
# without an image; or what is kept of a group could not be removed, or only half
# of it after kill -9.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

mib=1048576

configure_group() {
	begin_config
	for v in a b; do
		configure $v group=g window=256KiB \
			"target=stage:$stage_dir/$v?base=$scratch_dir/$v.base&history=1h"
	done
}

both_settled() {
	settled a && settled b
}

has_grown() {
	field_is a size_bytes $((9 * mib)) && both_settled
}

delete() {
	replicactl delete "$1" --replica --group --dir "$stage_dir" --yes
}

# What there is of it; the lock stays.
files() {
	find "$stage_dir" "$scratch_dir"/*.base -mindepth 0 2>/dev/null |
		grep -cvx -e "$stage_dir" -e "$stage_dir/lock"
}

make_volume a
make_volume b
configure_group
start_daemon
check "a group" wait_until 60 both_settled
sim-ctl grow a $((9 * mib))
check "one of it grows" wait_until 60 has_grown
is "the other does not" "$(field b size_bytes)" $((8 * mib))
sim-ctl write a $((8 * mib)) 65536 4
sim-ctl write b 0 65536 5
check "both go on" wait_until 60 both_settled
stop_daemon
start_nbdkit "$scratch_dir/a.nbd" "$plugin_so" "dir=$stage_dir"
for v in a b; do
	check "$v has an image" nbdcopy "$(stage_uri $v@latest)" \
		"$scratch_dir/image"
	check "it is the volume" cmp "$scratch_dir/$v.img" "$scratch_dir/image"
done
kill_pid $nbdkit_pid

# Nobody replicates them any more. The daemon dies while it deletes, or soon.
begin_config
start_daemon
refuses "one of a group alone" "group" replicactl delete a --replica \
	--dir "$stage_dir" --yes
for i in 1 2 3 4 5 6; do
	delete a >/dev/null 2>&1 &
	asked=$!
	sleep 0.0$((RANDOM % 6))
	kill_daemon
	wait $asked
	start_daemon
done
delete a >/dev/null 2>&1 || delete b >/dev/null 2>&1
refuses "it is gone" "no volume a" delete a
refuses "all of it" "no volume b" delete b
is "nothing is left" "$(files)" 0
stop_daemon
is "a clean stop" $? 0
finish

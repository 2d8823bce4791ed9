#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site could not get rid of a replica, or not
# of all of it; or one would go that is in use, or that nobody has confirmed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

target="stage:$stage_dir/a?base=$scratch_dir/a.base&history=1h"

delete() {
	replicactl delete a --replica --dir "$stage_dir" "$@"
}

# What there is of it; the lock stays.
files() {
	find "$stage_dir" "$scratch_dir/a.base" -mindepth 0 2>/dev/null |
		grep -cvx -e "$stage_dir" -e "$stage_dir/lock"
}

make_volume a
begin_config
configure a window=256KiB "target=$target"
start_daemon
wait_settled a || bail "no first sync"
write_epoch 0 1048576 1
refuses "its primary is connected" "somebody is connected" delete --yes
check "it is as it was" write_epoch 0 65536 2
check "a test device" replicactl test a --no-attach --name t
check "the volume is disabled" replicactl disable a
refuses "a test device is of it" \
	"image of it is open.* test device t has .*test --drop t" delete --yes
check "that goes" replicactl test --drop t
refuses "not without a word" "yes" delete
check "a dry run tells" eval "delete --dry-run |
	grep 'a would go: 8.0 MiB.*a.base'"
check "and changes nothing" test "$(files)" -gt 3
check "deleted" delete --yes
is "nothing is left" "$(files)" 0
refuses "it is not there" "no volume a" delete --yes
is "that is status 3" "$(delete --yes >/dev/null 2>&1; echo $?)" 3
stop_daemon
is "a clean stop" $? 0

# nbdkit serves one of that name, which is a new one; no volume is sent here.
begin_config
start_stage
start_daemon
refuses "another process has it" "another process has it" delete --yes
stop_plugin
check "the base can stay" delete --keep-base --yes
is "only that is left" "$(files)" 1
refuses "no folder" "No such file" replicactl delete a --replica \
	--dir "$scratch_dir/none" --yes
stop_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: what was made here could be deleted though it
# is a replica's base by now; a site could not get rid of a replica while
# it has a pair that serves it; or the pair's server would bring it back, or not
# come back itself; or two would use the stage at a time.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

delete() {
	b replicactl delete a --replica --dir "$stage_dir" "$@"
}

# What there is of it; the lock stays.
files() {
	find "$stage_dir" "$site_b/a.base" -mindepth 0 2>/dev/null |
		grep -cvx -e "$stage_dir" -e "$stage_dir/lock"
}

is_another() {
	serves p && [ "$(b_pair p server_pid)" != "$1" ]
}

mkdir "$site_b/volumes"
b_options="[backend east]
driver=file
folder=$site_b/volumes"
start_b
check "one of its name is made at B" b replicactl create a --size 8MiB
made=$(find "$site_b/volumes" -name 'a-*.img')
kill_b
b_options=
replicate_pair
make_epoch 11 0
refuses "and is not deleted while a replica has that name" "is a replica here" \
	b replicactl delete a --yes
check "  it is there" test -e "$made"
server=$(b_pair p server_pid)
check "a dry run tells" eval "delete --dry-run |
	grep 'a would go: 8.0 MiB.*a.base'"
check "the pair serves again" wait_until 60 is_another "$server"
check "its primary has noticed nothing but a pause" eval \
	'make_epoch 12 65536 && paired_equals a 60'
refuses "not another one's" "no volume zz" b replicactl delete zz --replica \
	--dir "$stage_dir" --yes
check "nor has that changed anything" eval \
	'make_epoch 13 65536 && paired_equals a 60'

# Three at a time: each has the stage to itself.
for i in 1 2; do
	delete --dry-run >"$scratch_dir/dry$i" 2>&1 &
	eval "asked$i=\$!"
done
check "deleted" delete --yes
wait "$asked1" "$asked2"
check "the others had an answer" eval 'for i in 1 2; do
	grep -q "would go\|no volume a" "$scratch_dir/dry$i" || exit 1
done'
is "nothing is left" "$(files)" 0
check "its pair stays, and would serve others" wait_until 60 serves p
is "which does not make it again" "$(files)" 0
check "its primary says what it misses" wait_until 60 eval \
	'field a state | grep -qx "error\|connecting" && [ -n "$(field a reason)" ]'
note "$(field a reason)"
kill_pid "$b_pid"
start_b
check "also not after a restart" wait_until 60 serves p
is "nothing is left" "$(files)" 0
stop_daemon
finish

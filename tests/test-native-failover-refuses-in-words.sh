#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a failover that cannot be would be begun
# all the same, overwrite what is somebody else's, or fail without a reason.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

no() {
	refuses "$1" "$2" b replicactl failover "${@:3}"
	check "… and nothing was begun" eval \
		'[ -z "$(ls "$site_b/state/promotions" 2>/dev/null)" ] &&
			[ ! -e "$stage_dir/a.fence" ]'
}

replicate_pair
make_epoch 11 0
lose_a

no "an epoch and a time" "one of them" a --force --epoch 1 --at 10:00
no "a name that is none" "not a name" ../a --force
no "a metadata path that is not absolute" "absolute path" \
	a --force --metadata here
echo "something else" >"$scratch_dir/other"
no "metadata that has other data" "has something that is not of this volume" \
	a --force --metadata "$scratch_dir/other"
is "which is as it was" "$(cat "$scratch_dir/other")" "something else"
no "metadata that is no place for it" "neither a file nor a block device" \
	a --force --metadata /dev/null
no "a stage that is none" "not in $scratch_dir" a --force --dir "$scratch_dir"

# Stages that nobody serves, or somebody else.
mkdir "$scratch_dir/alone" "$scratch_dir/twins"
serve() {
	nbdkit -U - "$plugin_so" dir="$scratch_dir/$1" "${@:2}" --run true
}
serve alone create="e:1MiB:$scratch_dir/e.base"
no "one without an image" "there is no consistent image" \
	e --force --dir "$scratch_dir/alone"
serve twins create="g/t1:1MiB:$scratch_dir/t1.base" \
	create="g/t2:1MiB:$scratch_dir/t2.base"
no "a member of a group" "not promoted in parts: --group" \
	t1 --force --dir "$scratch_dir/twins"
no "a group without an image" "no consistent image" \
	t1 --group --force --dir "$scratch_dir/twins"
nbdkit -f -U "$scratch_dir/alone.sock" "$plugin_so" \
	dir="$scratch_dir/alone" &
cleanup_fn kill_pid $!
wait_until 60 test -S "$scratch_dir/alone.sock"
no "one that another nbdkit has" "end that nbdkit first" \
	e --force --dir "$scratch_dir/alone"

# A base that cannot be brought up: told, and done when it can be.
mv "$site_b/a.base" "$site_b/a.away"
mkdir "$site_b/a.base"
refuses "a base that is gone" "a.base" b replicactl failover a --force
check "nothing was begun" eval '[ ! -e "$stage_dir/a.fence" ]'
rmdir "$site_b/a.base"
mv "$site_b/a.away" "$site_b/a.base"

check "then it is done" b replicactl failover a --force
kill_pid $b_pid
echo "{ damaged" >"$site_b/state/promotions/a.json"
start_b
check "a damaged record is named" wait_until 60 grep -q \
	"a: error: its failover's record: it is damaged" "$b_log"
check "but the stage still knows" b replicactl failover a --force
kill_pid $b_pid

printf 'X' | dd of="$stage_dir/a.fence" bs=1 seek=50 conv=notrunc status=none
rm "$site_b/state/promotions/a.json"
start_b
refuses "a damaged fence is named" "a.fence" b replicactl failover a --force
start_daemon
check "and lets no old primary in" wait_until 60 eval \
	'field a reason | grep -q "no such export"'
check "its server says why, too" wait_until 60 grep -q "a.fence: it is damaged" "$b_log"
is "it sends nothing" "$(field a bytes_shipped)" 0
stop_daemon
kill_pid $b_pid

finish

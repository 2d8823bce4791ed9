#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, an operator could not start, watch, stop and end replication
# of a device in use with the documented commands.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
load_module
make_null disk0 32
make_dm vol "0 $(sectors_of /dev/disk0) linear /dev/disk0 0"
cleanup_fn insert-tool take-out vol
dd if=/dev/urandom of=/dev/mapper/vol bs=1M count=8 oflag=direct 2>/dev/null
exec 9</dev/mapper/vol
cleanup_fn eval 'exec 9<&-'

replicad --socket "$socket" --state-dir "$scratch_dir/state" \
	2>"$scratch_dir/log" &
replicad=$!
cleanup_fn kill $replicad
wait_until 60 test -S "$socket" || bail "no replicad: $(cat "$scratch_dir/log")"
replicactl events >"$scratch_dir/events" 2>&1 & events=$!
cleanup_fn kill $events

state_is() {
	replicactl status vol --json | grep -q "\"state\": \"$1\""
}
replica=$scratch_dir/replica
truncate -s 33619968 "$replica"		# 32 MiB, and 64 KiB
ctl 0 status
out_has 'No volume is replicated'
ctl 3 enable nothing --target "local:$replica"
err_has 'nothing'
ctl 2 enable vol --target "local:$replica" --interval soon
err_has 'interval'
ctl 5 enable vol --target "local:$replica"
err_has 'metadata= is missing'
ctl 5 enable vol --target "local:$replica" --metadata /dev/null
err_has 'metadata=/dev/null is not a block device'
make_null small 1
dd if=/dev/urandom of=/dev/small bs=4k count=1 2>/dev/null
ctl 1 enable vol --target "local:$replica" --metadata /dev/small
err_has 'metadata.*(magic|superblock|not)'
is "the device has its old table still" "$(insert-tool form vol)" plain
make_null meta 4
ctl 0 enable vol --target "local:$replica" --metadata /dev/meta
is "the device in use is a replica now" "$(insert-tool form vol)" inserted
check "it gets replicated" wait_until 60 state_is replicating
ctl 0 status --check
out_has '^The volume is replicated'
out_has '^vol +replicating .* consistent'
ctl 0 kernel list
out_has '^vol .* yes'
ctl 0 kernel status vol
out_has '^meta_device '
out_has '^incarnations +[0-9a-f]{16}$'
ctl 5 enable vol --target "local:$replica"

same() {
	cmp -n 33554432 /dev/mapper/vol "$replica"
}
check "the replica equals the device" wait_until 60 same
ctl 0 pause vol
ctl 4 status --check
out_has '^vol: paused'
dd if=/dev/urandom of=/dev/mapper/vol bs=1M count=1 seek=20 oflag=direct \
	2>/dev/null
check "nothing is shipped in a pause" bash -c "! cmp -s -n 33554432 \
	/dev/mapper/vol '$replica'"
ctl 0 resume vol
check "then it is" wait_until 60 same
ctl 0 disable vol
is "the device has its old table" "$(insert-tool form vol)" plain
check "nothing hidden is left" bash -c "! dmsetup ls | grep -q dmr"
ctl 0 status
out_has 'No volume is replicated'
check "the events were told" grep -q 'vol  *state' "$scratch_dir/events"
note "$(tail -n 5 "$scratch_dir/events")"
kill $replicad
wait $replicad
is "replicad ends well" $? 0
ctl 1 status
check_dmesg
finish

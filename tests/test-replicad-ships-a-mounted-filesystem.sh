#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: enabling replication under a mounted
# filesystem would disturb its user, the replica would not be the device, or
# disable would not give the device back.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
requires_cmd nbdkit mkfs.ext4 rpc-call jq
load_module

export REPLICA_SOCKET=$scratch_dir/control
mnt=$scratch_dir/mnt
target=$scratch_dir/target
make_null disk0 64
make_dm vol "0 $(sectors_of /dev/disk0) linear /dev/disk0 0"
mkfs.ext4 -q /dev/mapper/vol || bail "no filesystem"
mkdir "$mnt"
mount /dev/mapper/vol "$mnt" || bail "cannot mount"
cleanup_fn umount "$mnt"

truncate -s 65M "$target"
nbdkit -f -U "$scratch_dir/nbd" --exit-with-parent file "$target" &
nbdkit_pid=$!
cleanup_fn kill $nbdkit_pid

start_daemon() {
	replicad --config /dev/null --state-dir "$scratch_dir/state" \
		2>>"$scratch_dir/log" &
	daemon_pid=$!
	cleanup_fn kill $daemon_pid
	wait_until 60 rpc-call status || bail "replicad: $(
		tail -n 3 "$scratch_dir/log")"
}

settled() {
	[ "$(rpc-call get vol state)" = replicating ] &&
		[ "$(rpc-call get vol dirty_bytes)" = 0 ] &&
		[ "$(rpc-call get vol epoch)" = 0 ]
}

replica_equals() {
	sync -f "$mnt"
	wait_until 60 settled || { rpc-call status; tail "$scratch_dir/log"
		return 1; }
	fsfreeze -f "$mnt"
	wait_until 60 settled
	# past the page cache: the filesystem does not write through it
	dd if=/dev/mapper/vol bs=1M iflag=direct status=none |
		cmp -n $((64 << 20)) - "$target"
	local status=$?
	fsfreeze -u "$mnt"
	return $status
}

start_daemon
(while :; do
	echo "$RANDOM" >>"$mnt/log" || echo failed >>"$scratch_dir/failures"
	sync "$mnt/log"
	sleep 0.02
done) &
writer=$!
cleanup_fn kill $writer
check "enable under a mounted filesystem" rpc-call enable "{\"volume\":\"vol\",$(
	)\"target\":\"nbd+unix:///?socket=$scratch_dir/nbd\",$(
	)\"options\":{\"stale_wait\":\"500ms\",\"metadata\":\"none\"}}" ||
	finish
check "the writer did not notice" test ! -e "$scratch_dir/failures"
check "it replicates" wait_until 60 eval \
	'[ "$(rpc-call get vol state)" = replicating ]'
cp -r /usr/include/linux/netfilter "$mnt/" 2>/dev/null || cp /etc/*.conf "$mnt/"
kill $writer
check "the replica is the device" replica_equals
for field in epochs_clean lag_median_s lag_max_s cut_pause_max_s commit_last_s; do
	note "$field $(rpc-call get vol $field)"
done

kill -KILL $daemon_pid
wait $daemon_pid 2>/dev/null
dd if=/dev/urandom of="$mnt/more" bs=64k count=20 status=none
start_daemon
check "after kill -9 of the daemon as well" replica_equals
check "disable" rpc-call disable '{"volume":"vol"}'
check "the device has its table back" eval \
	'dmsetup table vol | grep -q linear'
check "and its filesystem works" dd if=/dev/zero of="$mnt/last" bs=4k count=10 \
	conv=fsync
is "no hidden devices are left" "$(dmsetup ls | grep -c dmr)" 0
kill $daemon_pid
wait $daemon_pid
is "a clean stop" $? 0
check_dmesg
finish

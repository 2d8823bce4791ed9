#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a test device could not be mounted, or one
# that is mounted would be taken away, or one of a daemon that was killed would
# stay behind.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_root
requires_cmd nbd-client mkfs.ext4 replicad jq
modprobe nbd nbds_max=4 || skip_all "needs the module nbd"
load_module
export REPLICA_SOCKET=$scratch_dir/control

start_daemon() {
	replicad --state-dir "$scratch_dir/state" 2>>"$scratch_dir/daemon.log" &
	daemon_pid=$!
	cleanup_fn kill_pid $daemon_pid
	wait_until 60 replicactl test --list ||
		bail "no replicad: $(tail -n 3 "$scratch_dir/daemon.log")"
}

# make_test NAME EPOCH: sets dev
make_test() {
	dev=$(replicactl test --target "$(uri vol)" --name "$1" --epoch "$2" \
		2>"$scratch_dir/told")
}

is_free() {
	[ ! -e "/sys/block/${1#/dev/}/pid" ]
}

# An ext4 as epoch 1, with a file in it.
truncate -s 8M "$scratch_dir/fs"
mkfs.ext4 -q -O ^has_journal "$scratch_dir/fs"
start_plugin history=1h
primary <<EOP
p = Primary().hello()
data = open("$scratch_dir/fs", "rb").read()
p.open(1)
for at in range(0, len(data), CHUNK):
    block = data[at:at + CHUNK]
    if block != bytes(CHUNK):
        p.h.pwrite(block, at)
        p.note(at, block)
p.commit(1)
p.whole(2, 100, 66)
EOP
start_daemon
make_test one 1
is "it is a block device: $dev" "$(stat -c %F "$dev")" "block special file"
mkdir "$scratch_dir/mnt"
check "that can be mounted" mount "$dev" "$scratch_dir/mnt"
cleanup_fn umount "$scratch_dir/mnt"
check "and written" eval "echo hello >$scratch_dir/mnt/file && sync"
refuses "it is not dropped while it is mounted" "unmount it first" \
	replicactl test --drop one
make_test two 2
check "a second one" test -b "$dev"
check "is another device" test "$dev" != "$(replicactl test --list --json |
	jq -r '.tests[] | select(.name == "one") | .device')"
check "that can be read" cmp <(dd if="$dev" bs=4096 skip=100 count=1 2>&-) \
	<(head -c 4096 /dev/zero | tr '\0' B)
check "unmounted" umount "$scratch_dir/mnt"
check "the file is still there" eval "mount /dev/nbd0 $scratch_dir/mnt &&
	grep hello $scratch_dir/mnt/file; umount $scratch_dir/mnt"
check "it is dropped" replicactl test --drop one
check "the device is free" wait_until 60 is_free /dev/nbd0

kill_pid $daemon_pid
start_daemon
check "killed: the next daemon frees its device" wait_until 60 is_free "$dev"
make_test three 1
check "and another one works" test -b "$dev"
kill -TERM $daemon_pid
wait $daemon_pid
is "a clean stop" $? 0
check "frees it, too" wait_until 60 is_free "$dev"
stop_plugin
check_dmesg
finish

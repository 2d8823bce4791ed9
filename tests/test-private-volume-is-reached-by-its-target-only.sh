#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, the origin of a private volume is activated or found by others,
# and a write past the target is trusted; or a private volume is copied again
# after each boot.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-lvm.sh"
requires_cmd lvcreate lvrename lvchange mkfs.ext4 rpc-call jq replicad \
	replica-dump
load_module
export REPLICA_SOCKET=$scratch_dir/control
mkdir -p /run/udev/rules.d
cp "$top_dir/utils/udev/58-dm-replica.rules" /run/udev/rules.d
cleanup_fn rm /run/udev/rules.d/58-dm-replica.rules
udevadm control --reload

make_null pv 96
lv pvcreate /dev/pv || bail "pvcreate: $(cat "$scratch_dir/said")"
lv vgcreate -s 1m dmrpg /dev/pv || bail "vgcreate: $(cat "$scratch_dir/said")"
cleanup_fn vgchange -an dmrpg
lv lvcreate -y -Wn -Zy -L 4m -n meta dmrpg || bail "lvcreate"
lv lvcreate -y -Wn -L 32m -n db dmrpg || bail "lvcreate"
lv mkfs.ext4 -q -L dmrdata /dev/dmrpg/db || bail "mkfs"
udevadm trigger --settle /dev/dmrpg/db
is "udev finds the filesystem of a logical volume" \
	"$(readlink -f /dev/disk/by-label/dmrdata)" "$(readlink -f /dev/dmrpg/db)"
truncate -s 33M "$scratch_dir/target"
check "it gets a name of its own" lv lvrename dmrpg db db-dmr-origin

daemon=
start() {
	replicad --config /dev/null --state-dir "$scratch_dir/state" "$@" \
		2>>"$scratch_dir/log" &
	daemon=$!
	wait_until 60 rpc-call status || bail "no replicad"
}
stop() {
	kill $daemon && wait $daemon
	daemon=
}
cleanup_fn eval '[ -z "$daemon" ] || kill $daemon'
enable() {
	replicactl enable db --target "local:$scratch_dir/target" \
		--metadata /dev/dmrpg/meta --origin "$@"
}
settled() {
	[ "$(rpc-call get db state)" = replicating ] &&
		[ "$(rpc-call get db dirty_bytes)" = 0 ] &&
		[ "$(rpc-call get db epoch)" = 0 ]
}
looked_at() {
	echo $(($(rpc-call get db bytes_shipped) +
		$(rpc-call get db bytes_zero) +
		$(rpc-call get db bytes_compared)))
}
# What is committed is cleared on disk a little later.
is_cleared() {
	blockdev --flushbufs /dev/dmrpg/meta
	[ "$(replica-dump /dev/dmrpg/meta |
		awk '$1 == "dirty" { print $2 }')" = 0 ]
}
same() {
	cmp -n $((32 << 20)) /dev/mapper/db "$scratch_dir/target"
}
says() {
	grep -q "$1" "$scratch_dir/answer" ||
		{ cat "$scratch_dir/answer"; return 1; }
}

start
enable /dev/dmrpg/meta >"$scratch_dir/answer" 2>&1
check "a logical volume of another name: refused" says "lvrename"
enable dmrpg/db-dmr-origin >"$scratch_dir/answer" 2>&1
check "no absolute path: refused" says "absolute path"
enable /dev/dmrpg/nothing >"$scratch_dir/answer" 2>&1
check "no such origin: it is named" says "no origin=/dev/dmrpg/nothing"
enable /dev/dmrpg/db-dmr-origin --device x >"$scratch_dir/answer" 2>&1
check "two devices: refused" says "leave device= out"
mount /dev/dmrpg/db-dmr-origin /mnt || bail "mount"
enable /dev/dmrpg/db-dmr-origin >"$scratch_dir/answer" 2>&1
is "an origin in use: refused" "$(($? != 0))" 1
umount /mnt
check "a private volume is enabled" eval \
	'enable /dev/dmrpg/db-dmr-origin >"$scratch_dir/answer" 2>&1'
check "  which is said, and why" says "It is private"
note "$(cat "$scratch_dir/answer")"
is "  its form" "$(rpc-call get db form)" private
is "  LVM activates it no more by itself" "$(lvs --noheadings --binary -o \
	lv_skip_activation dmrpg/db-dmr-origin | tr -d ' ')" 1
udevadm settle --timeout=120
is "  udev finds the filesystem in the volume" \
	"$(readlink -f /dev/disk/by-label/dmrdata)" "$(readlink -f /dev/mapper/db)"
check "  it is replicated" wait_until 100 settled
check "  which is remembered" wait_until 60 is_cleared
check "  mounted" mount /dev/mapper/db /mnt
echo "some words" >/mnt/file
replicactl disable db >"$scratch_dir/answer" 2>&1
is "  it can't be disabled then" $? 5
check "  and that is said" says "db is in use"
umount /mnt
check "  it is replicated still" wait_until 60 settled

# A boot: the devices are gone, the kernel was not told.
boot() {
	stop
	dmsetup remove db-dmr-view
	copy_instant /dev/dmrpg/meta "$scratch_dir/meta"
	dmsetup remove db
	dd if="$scratch_dir/meta" of=/dev/dmrpg/meta bs=1M oflag=direct \
		status=none
	lv lvchange -an dmrpg/db-dmr-origin
	lv vgchange -ay dmrpg
}
dd if=/dev/urandom of=/dev/mapper/db bs=4k count=3 seek=500 oflag=direct \
	status=none
wait_until 60 settled
check "a power cut and a boot" boot
check "  LVM leaves the origin alone" test ! -e /dev/dmrpg/db-dmr-origin
check "  replicad --insert makes the device" replicad --config /dev/null \
	--state-dir "$scratch_dir/state" --insert=60
check "  it is there" test -e /dev/mapper/db
dd if=/dev/urandom of=/dev/mapper/db bs=4k count=2 seek=700 oflag=direct \
	status=none
start
check "  it is replicated" wait_until 100 settled
sent=$(looked_at)
check "  what was dirty or hot is sent, not all ($sent)" \
	test "$sent" -le $(((12 << 20) + (64 << 10)))
is "  it is not suspect" "$(rpc-call get db suspect)" false
check "  the replica is the volume" same

check "another boot" boot
check "  somebody activates the origin and writes" eval \
	'lv lvchange -ay -K dmrpg/db-dmr-origin &&
	dd if=/dev/urandom of=/dev/dmrpg/db-dmr-origin bs=4k count=1 seek=900 \
		oflag=direct conv=nocreat status=none'
start
check "  it is replicated" wait_until 100 settled
is "  all of it was looked at" "$(($(rpc-call get db bytes_compared) +
	$(rpc-call get db bytes_zero)))" $((32 << 20))
is "  what differed was sent" "$(rpc-call get db bytes_shipped)" 4096
check "  the replica is the volume" same

check "another boot" boot
check "  somebody has cleared the flag, writes, and boots" eval \
	'lv lvchange -kn dmrpg/db-dmr-origin &&
	lv lvchange -ay dmrpg/db-dmr-origin &&
	dd if=/dev/urandom of=/dev/dmrpg/db-dmr-origin bs=4k count=1 seek=950 \
		oflag=direct conv=nocreat status=none &&
	lv lvchange -an dmrpg/db-dmr-origin &&
	lv lvchange -ay dmrpg/db-dmr-origin'
start
check "  it is replicated" wait_until 100 settled
is "  what differed was sent" "$(rpc-call get db bytes_shipped)" 4096
check "  the replica is the volume" same

check "disable" replicactl disable db
check "  the device is gone" test ! -e /dev/mapper/db
is "  LVM activates it again by itself" "$(lvs --noheadings --binary -o \
	lv_skip_activation dmrpg/db-dmr-origin | tr -d ' ')" 0
stop
check_dmesg
note "$(cat "$scratch_dir/log")"
finish

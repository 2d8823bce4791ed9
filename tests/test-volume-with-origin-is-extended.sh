#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a private volume whose logical volume has grown can't use what
# it has more while it is mounted, or its new part is not replicated, or writes
# are forgotten meanwhile.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-lvm.sh"
requires_cmd lvcreate lvextend lvchange mkfs.ext4 resize2fs rpc-call jq replicad
load_module
export REPLICA_SOCKET=$scratch_dir/control

udevadm settle --timeout=120	# what others have left
make_null pv 160
lv pvcreate /dev/pv || bail "pvcreate: $(cat "$scratch_dir/said")"
lv vgcreate -s 1m dmrpg /dev/pv || bail "vgcreate: $(cat "$scratch_dir/said")"
cleanup_fn vgchange -an dmrpg
lv lvcreate -y -Wn -Zy -L 4m -n meta dmrpg || bail "lvcreate"
lv lvcreate -y -Wn -L 32m -n db-dmr-origin dmrpg || bail "lvcreate"
lv mkfs.ext4 -q /dev/dmrpg/db-dmr-origin || bail "mkfs"
target=$scratch_dir/target
truncate -s 33M "$target"

replicad --config /dev/null --state-dir "$scratch_dir/state" \
	2>"$scratch_dir/log" &
daemon=$!
cleanup_fn kill $daemon
cleanup_fn eval '! mountpoint -q /mnt || umount /mnt'
wait_until 60 rpc-call status || bail "no replicad"
settled() {
	[ "$(rpc-call get db state)" = replicating ] &&
		[ "$(rpc-call get db dirty_bytes)" = 0 ] &&
		[ "$(rpc-call get db epoch)" = 0 ]
}
same() {
	cmp -n $(($1 << 20)) /dev/mapper/db "$target"
}
mib_of_volume() {
	echo $(($(blockdev --getsize64 /dev/mapper/db) >> 20))
}

check "a private volume is enabled" replicactl enable db \
	--target "local:$target" --metadata /dev/dmrpg/meta \
	--origin /dev/dmrpg/db-dmr-origin
check "  it is replicated" wait_until 100 settled
check "  mounted" mount /dev/mapper/db /mnt
refuses "its origin has no more: refused" "no more than 33554432 bytes" \
	replicactl extend db

check "the origin grows" lv lvextend -L 56m dmrpg/db-dmr-origin
is "  the volume not yet" "$(mib_of_volume)" 32
is "  it is replicated still" "$(rpc-call get db state)" replicating
keep_writing() {
	until [ -e "$scratch_dir/enough" ]; do
		dd if=/dev/urandom of=/mnt/busy bs=64k count=40 conv=notrunc \
			oflag=direct status=none || return 1
	done
}
keep_writing &
writer=$!
cleanup_fn touch "$scratch_dir/enough"
truncate -s 57M "$target"
check "the volume is extended while a file is written" replicactl extend db
touch "$scratch_dir/enough"
wait $writer
is "  the writer notices nothing" $? 0
is "  the device is as large as the origin" "$(mib_of_volume)" 56
is "  replicad says so" "$(rpc-call get db size_bytes)" $((56 << 20))
is "  it is private still" "$(rpc-call get db form)" private
is "  the kernel has the view of it" \
	"$(blockdev --getsize64 /dev/mapper/db-dmr-view)" $((56 << 20))
check "the filesystem grows, mounted" resize2fs /dev/mapper/db
check "  a file in its new part" dd if=/dev/urandom of=/mnt/large bs=1M \
	count=20 oflag=direct status=none
umount /mnt
check "  it is replicated" wait_until 100 settled
check "  the replica is the volume, all of it" same 56
compared=$(rpc-call get db bytes_compared)
check "  it was not copied again for that ($compared)" \
	test "$compared" -lt $((4 << 20))
refuses "a second time: there is no more" "no more than" replicactl extend db

check "disable" replicactl disable db
kill $daemon
wait $daemon
is "replicad ends well" $? 0
note "$(tail -n 4 "$scratch_dir/log")"
check_dmesg
finish

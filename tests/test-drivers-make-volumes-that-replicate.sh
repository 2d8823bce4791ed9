#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900
# What would be wrong if this failed: volumes that replicactl create makes, of
# logical volumes, thin ones, or files, would not replicate, or leave devices
# behind when they are deleted; or their snapshots would not be what they were.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-lvm.sh"
requires_cmd lvcreate lvs mkfs.ext4 losetup rpc-call jq replicad replicactl
load_module
export REPLICA_SOCKET=$scratch_dir/control
modprobe -q loop
modprobe -q dm-thin-pool
modprobe -q dm-snapshot
mkdir -p /run/udev/rules.d
cp "$top_dir/utils/udev/58-dm-replica.rules" /run/udev/rules.d
cleanup_fn rm /run/udev/rules.d/58-dm-replica.rules
udevadm control --reload

udevadm settle --timeout=120	# what others have left
make_null pv 256
lv pvcreate /dev/pv || bail "pvcreate: $(cat "$scratch_dir/said")"
lv vgcreate -s 1m dmrpg /dev/pv || bail "vgcreate: $(cat "$scratch_dir/said")"
cleanup_fn vgchange -an dmrpg
has_thin=
! lv lvcreate -y --type thin-pool -L 64m -n pool dmrpg >/dev/null || has_thin=1
[ -n "$has_thin" ] || note "no thin volumes here: $(tail -n 2 "$scratch_dir/said")"
mkdir "$scratch_dir/volumes"
cat >"$scratch_dir/conf" <<END
[backend lv]
driver=lvm
volume_group=dmrpg
[backend thin]
driver=lvm
volume_group=dmrpg
thin_pool=pool
[backend file]
driver=file
folder=$scratch_dir/volumes
END
replicad --config "$scratch_dir/conf" --state-dir "$scratch_dir/state" \
	2>"$scratch_dir/log" &
daemon=$!
cleanup_fn kill $daemon
wait_until 60 rpc-call status || bail "no replicad"

settled() {
	[ "$(rpc-call get "$1" state)" = replicating ] &&
		[ "$(rpc-call get "$1" dirty_bytes)" = 0 ] &&
		[ "$(rpc-call get "$1" epoch)" = 0 ]
}
same() {
	cmp -n $((32 << 20)) "/dev/mapper/$1" "$scratch_dir/$1.target"
}
loops() {
	losetup -l -n -O BACK-FILE | grep -c "^$scratch_dir/volumes"
}
our_lvs() {
	lvs --noheadings -o lv_name dmrpg | grep -c dmr-
}

# keeps VOLUME BACKEND: a snapshot of it while it is mounted at /mnt
keeps() {
	if [ "$2" = file ]; then
		refuses "  in use: it is not copied" "no reflinks" \
			replicactl snapshot "$1" before
		return
	fi
	cp /mnt/file "$scratch_dir/file.before"
	check "  a snapshot" replicactl snapshot "$1" before
	check "  the file changes" dd if=/dev/urandom of=/mnt/file bs=64k \
		count=20 conv=notrunc,fsync status=none
	local kept=/dev/dmrpg/$1-dmr-snap-before
	[ "$2" != thin ] || check "  a thin one can be activated" \
		lv lvchange -ay -K "$kept"
	is "  nobody finds its filesystem" "$(udevadm info -q property "$kept" |
		grep -c ^ID_FS_)" 0
	is "  it is read-only" "$(blockdev --getro "$kept")" 1
	cp "$kept" "$scratch_dir/kept.img"
	mkdir -p "$scratch_dir/kept"
	check "  it is a filesystem, as after a power cut" mount -o loop \
		"$scratch_dir/kept.img" "$scratch_dir/kept"
	check "  with the file of before" cmp "$scratch_dir/kept/file" \
		"$scratch_dir/file.before"
	umount "$scratch_dir/kept"
	exec 9<"$kept"
	refuses "  in use: it is not dropped" "in use" replicactl snapshot "$1" \
		--drop before --yes
	exec 9<&-
	refuses "  with it, the volume is not deleted" "has snapshots" \
		replicactl delete "$1" --disable --yes
	check "  it is dropped" replicactl snapshot "$1" --drop before --yes
	check "  its device is gone" test ! -e "$kept"
}

# cloned VOLUME BACKEND: one of what is mounted at /mnt
cloned() {
	[ "$2" = file ] && return
	local base=/dev/dmrpg/$1-c-dmr-origin
	sync
	cp /mnt/file "$scratch_dir/file.before"
	check "  a clone" replicactl clone "$1" "$1-c"
	check "  the file changes" dd if=/dev/urandom of=/mnt/file bs=64k count=20 \
		conv=notrunc,fsync status=none
	cp "$base" "$scratch_dir/kept.img"
	check "  it is a filesystem, as after a power cut" mount -o loop \
		"$scratch_dir/kept.img" "$scratch_dir/kept"
	check "  with the file of before" cmp "$scratch_dir/kept/file" \
		"$scratch_dir/file.before"
	umount "$scratch_dir/kept"
	is "  nothing else is left of it" "$(lvs --noheadings -o lv_name dmrpg |
		grep -- "$1-c-" | xargs)" "$1-c-dmr-meta $1-c-dmr-origin"
	check "  it goes" replicactl delete "$1-c" --yes
}

# lives BACKEND FORM: a volume of its name is made, used, and deleted
lives() {
	local v=v-$1
	truncate -s 33M "$scratch_dir/$v.target"
	check "$1: a volume is made and replicated" replicactl create $v \
		--size 32MiB --backend "$1" --target "local:$scratch_dir/$v.target"
	check "  it is there" test -b "/dev/mapper/$v"
	is "  its form" "$(rpc-call get $v form)" "$2"
	check "  a filesystem on it" mkfs.ext4 -q "/dev/mapper/$v"
	check "  mounted" mount "/dev/mapper/$v" /mnt
	check "  a file" dd if=/dev/urandom of=/mnt/file bs=64k count=20 \
		conv=fsync status=none
	refuses "  in use: it is not deleted" "in use" replicactl delete $v \
		--disable --yes
	keeps $v "$1"
	cloned $v "$1"
	umount /mnt
	check "  it is replicated" wait_until 100 settled $v
	is "  its dirty state is kept" "$(rpc-call get $v persistence)" durable
	check "  the replica is the volume" same $v
	check "  it is disabled" replicactl disable $v
	check "  and enabled by its name: all of it is known" replicactl enable \
		$v --target "local:$scratch_dir/$v.target"
	check "  it is replicated" wait_until 100 settled $v
	check "  the replica is the volume still" same $v
	check "  it is deleted" replicactl delete $v --disable --yes
	check "  with its device" test ! -e "/dev/mapper/$v"
}
lives lv private
is "no logical volume of it is left" "$(our_lvs)" 0
if [ -n "$has_thin" ]; then
	lives thin private
	is "no thin one of it is left" "$(our_lvs)" 0
fi
lives file own
is "no loop device of it is left" "$(loops)" 0
is "nor a file" "$(find "$scratch_dir/volumes" -type f | wc -l)" 0

check "one that is not replicated" replicactl create plain --size 8MiB \
	--backend lv
mkfs.ext4 -q /dev/dmrpg/plain-dmr-origin || bail "mkfs"
mount /dev/dmrpg/plain-dmr-origin /mnt || bail "mount"
refuses "  in use: it is not deleted" "in use" replicactl delete plain --yes
umount /mnt
check "  then it is" replicactl delete plain --yes
is "  it is gone" "$(our_lvs)" 0
kill $daemon
wait $daemon
is "replicad ends well" $? 0
note "$(tail -n 6 "$scratch_dir/log")"
check_dmesg
finish

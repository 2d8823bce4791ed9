#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: after a failover a volume could not be made
# larger while it is mounted, with the real module, or it would be smaller than its
# filesystem, or no device at all, after the next boot.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
requires_root
requires_cmd nbdkit mkfs.ext4 e2fsck resize2fs rpc-call jq losetup
modprobe loop || skip_all "needs the module loop"
load_module
. "$(dirname "$0")/lib-two-sites.sh"

mib=1048576
mnt=$scratch_dir/mnt
record=$scratch_dir/b/state/promotions/second.json
mkdir -p "$mnt"
settled() {
	[ "$($1 rpc-call get "$2" state)" = replicating ] &&
		[ "$($1 rpc-call get "$2" dirty_bytes)" = 0 ] &&
		[ "$($1 rpc-call get "$2" epoch)" = 0 ]
}
# has MIB: the device, its base
has() {
	is "  the device" "$(blockdev --getsize64 /dev/mapper/second)" $(($1 * mib))
	is "  its base" "$(stat -c %s "$scratch_dir/base")" $(($1 * mib))
}
# boot WHAT: without its device, and its loop devices
boot() {
	umount "$mnt"
	end $b_pid
	forget_b_device
	check "$1: there is no device" eval '[ ! -e /dev/mapper/second ]'
	start b
	b_pid=$pid
	check "  replicad makes it again" wait_until 60 test -b /dev/mapper/second
}
mounted() {
	check "  its filesystem is mounted" mount /dev/mapper/second "$mnt"
	is "  it has what was written" "$(cat "$mnt/"*)" "$1"
}

pair_sites
# What A's replicad has put below it, and left.
forget_first() {
	dmsetup remove --retry first-dmr-view
	dmsetup remove --retry first
	dmsetup remove --retry first-dmr-origin
} 2>/dev/null
cleanup_fn forget_first
a replicactl enable first --target pair:p/second --metadata none \
	--interval 100ms >/dev/null || bail "not enabled"
wait_until 120 settled a first || bail "not settled"
end $a_pid
b replicactl failover second --force >/dev/null || bail "no failover"
cleanup_fn forget_b_device
mount /dev/mapper/second "$mnt" || bail "cannot mount"
rmdir "$mnt/lost+found"
echo one >"$mnt/1"

check "it grows while it is mounted" b replicactl extend second --size 200MiB
has 200
is "  without a view, as nobody reads one" \
	"$(dmsetup ls | grep -c second-dmr-view)" 0
check "  the filesystem takes it up" resize2fs /dev/mapper/second
dmsetup status second | awk '{ print $7 }' >"$scratch_dir/dirty"
echo two >"$mnt/2"
boot "after a boot"
has 200
check "  with what is dirty" test "$(dmsetup status second |
	awk '{ print $7 }')" -ge "$(cat "$scratch_dir/dirty")"
mounted "$(printf 'one\ntwo')"

# Who dies before it is noted: the metadata tell it.
cp "$record" "$scratch_dir/record"
check "it grows again" b replicactl extend second --size 300MiB
resize2fs /dev/mapper/second 2>/dev/null || bail "the filesystem does not grow"
umount "$mnt"
end $b_pid
cp "$scratch_dir/record" "$record"
start b
b_pid=$pid
wait_until 60 eval '[ "$(b rpc-call get second state)" = promoted ]' ||
	bail "it is not active"
mount /dev/mapper/second "$mnt" || bail "cannot mount"
boot "after a boot, by a record of before"
has 300
mounted "$(printf 'one\ntwo')"
refuses "a file in use, without reflinks, is not copied" "no reflinks" \
	b replicactl snapshot second now
is "  nothing is left of that" "$(ls "$scratch_dir/b/state/made")" ""

# It is replicated: the other site gets what is new.
mkdir "$scratch_dir/a/stage"
start a
a replicactl pair invite q --address 127.0.0.1:10998 --listen 127.0.0.1 \
	--dir "$scratch_dir/a/stage" --create "back:300MiB:$scratch_dir/back" \
	>"$scratch_dir/token" || bail "A does not invite"
b replicactl pair join q <"$scratch_dir/token" || bail "B does not join"
check "B sends it to A" b replicactl enable second --target pair:q/back \
	--interval 100ms
check "  all of it" wait_until 120 settled b second
check "it grows while it is replicated" b replicactl extend second --size 320MiB
has 320
resize2fs /dev/mapper/second 2>/dev/null || bail "the filesystem does not grow"
echo three >"$mnt/3"
umount "$mnt"
check "  A gets it" wait_until 120 settled b second
check "  as it is here" wait_until 60 cmp -s "$scratch_dir/base" \
	"$scratch_dir/back"
e2fsck -fn /dev/mapper/second >/dev/null
is "the filesystem is whole" $? 0
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: after the loss of a site the filesystem
# could not be used at the other one, with the real module, or not again after a
# reboot, or what is written there would not be tracked.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
requires_root
requires_cmd nbdkit mkfs.ext4 e2fsck rpc-call jq losetup replica-dump
modprobe loop || skip_all "needs the module loop"
load_module
. "$(dirname "$0")/lib-two-sites.sh"

mnt=$scratch_dir/mnt
mkdir -p "$mnt"

settled() {
	[ "$(a rpc-call get first state)" = replicating ] &&
		[ "$(a rpc-call get first dirty_bytes)" = 0 ] &&
		[ "$(a rpc-call get first epoch)" = 0 ]
}

# sync_a: what is on the filesystem is at B
sync_a() {
	sync -f "$mnt"
	wait_until 120 settled || bail "not settled: $(a rpc-call status
		tail -n 5 "$scratch_dir/a.log")"
}

pair_sites
mount /dev/mapper/first "$mnt" || bail "cannot mount"
echo before >"$mnt/file"
check "enabled below a mounted filesystem" a replicactl enable first \
	--target pair:p/second --metadata none --interval 100ms
sync_a
back=$(a replicactl history first --json | jq .last_committed)
echo after >"$mnt/file"
head -c 300000 /dev/urandom >"$mnt/more"
sync_a
end $a_pid
umount "$mnt"

b replicactl failover second --force --epoch "$back" --json \
	>"$scratch_dir/done"
is "the failover is done" $? 0
cleanup_fn forget_b_device
check "its device is there" test -b /dev/mapper/second
is "its metadata is of the module's liking" \
	"$(dmsetup status second | awk '{ print $4, $5 }')" "primary idle"
is "as many chunks are dirty as were marked" \
	"$(dmsetup status second | awk '{ print $7 }')" \
	"$(replica-dump --extents "$stage/second.meta" |
		awk '$1 == "extent" { n += $3 } END { print n + 0 }')"
e2fsck -fp /dev/mapper/second >/dev/null	# the journal: status 1
check "the filesystem is whole" e2fsck -fn /dev/mapper/second
mount /dev/mapper/second "$mnt"
is "it is that of the epoch" "$(cat "$mnt/file")" before
check "and of nothing later" eval '[ ! -e "$mnt/more" ]'
dirty=$(dmsetup status second | awk '{ print $7 }')
head -c 500000 /dev/urandom >"$mnt/at-b"
sync -f "$mnt"
check "what is written there is tracked" eval \
	'[ "$(dmsetup status second | awk "{ print \$7 }")" -ge $((dirty + 100)) ]'
check "what was dropped is salvaged" eval \
	'[ "$(b replicactl salvage --json | jq ".salvages[0].bytes")" -ge 300000 ]'
is "B says what it is" "$(b rpc-call get second state)" promoted

check "the same again, with the device in use" b replicactl failover second \
	--force
sum=$(sha256sum <"$mnt/at-b")
umount "$mnt"
end $b_pid
forget_b_device
check "a reboot: there is no device" eval '[ ! -e /dev/mapper/second ]'
start b
b_pid=$pid
check "replicad makes it again" wait_until 60 test -b /dev/mapper/second
check "it can be mounted" mount /dev/mapper/second "$mnt"
is "and has what was written" "$(sha256sum <"$mnt/at-b")" "$sum"
check "all that is dirty still is" eval \
	'[ "$(dmsetup status second | awk "{ print \$7 }")" -ge $((dirty + 100)) ]'
umount "$mnt"

# The old primary is alive after all: it may send nothing any more.
start a
check "the old primary is told" wait_until 60 eval \
	'a rpc-call get first reason | grep -q "of another generation"'
is "and says so" "$(a rpc-call get first state)" superseded
mount /dev/mapper/first "$mnt"
refuses "it is not given up while it is in use" "unmount it" \
	a replicactl resolve first --keep peer
umount "$mnt"
check "but then" a replicactl resolve first --keep peer
check "nobody writes to it then" eval \
	'! dd if=/dev/zero of=/dev/mapper/first bs=4k count=1 oflag=direct 2>/dev/null'
check "it is disabled" a replicactl disable first
is "its device is as it was" "$(dmsetup table first | awk '{ print $3 }')" linear
check "what was only here is kept" eval \
	'[ "$(a replicactl salvage --json | jq ".salvages[0].bytes")" -gt 0 ]'

# The way back, to the disk that A has.
mkdir "$scratch_dir/a/stage"
a replicactl pair invite q --address 127.0.0.1:10998 --listen 127.0.0.1 \
	--dir "$scratch_dir/a/stage" --create back:32MiB:/dev/mapper/first \
	>"$scratch_dir/token" || bail "A does not invite"
b replicactl pair join q <"$scratch_dir/token" || bail "B does not join"
check "B sends it back" b replicactl enable second --target pair:q/back \
	--interval 100ms
b_settled() {
	[ "$(b rpc-call get second state)" = replicating ] &&
		[ "$(b rpc-call get second dirty_bytes)" = 0 ]
}
check "A gets it" wait_until 120 b_settled
check "handed over, in order" b replicactl failover second --planned
check "B has no device of it any more" eval '[ ! -e /dev/mapper/second ]'
check "A takes it over" a replicactl failover back --force
cleanup_fn dmsetup remove --retry back
check "with all of it" mount /dev/mapper/back "$mnt"
is "what was written at B, too" "$(sha256sum <"$mnt/at-b")" "$sum"
umount "$mnt"
check "the filesystem is whole" e2fsck -fn /dev/mapper/back
end $pid
kill -TERM $b_pid
wait $b_pid
is "B stops cleanly" $? 0
check_dmesg
finish

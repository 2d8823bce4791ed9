# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# The steps of site B, which has a disk and an NBD server (see agent).

disk=/dev/vda
copy=/tmp/copy.img
mnt=/mnt/copy

serve() {
	modprobe loop || return
	start nbdkit.log nbdkit --foreground --port 10809 \
		--pidfile /run/nbdkit.pid file $disk
	until_true 30 test -s /run/nbdkit.pid
}

link() {
	ip link set eth0 "$1"
}

# take_copy BYTES: of the volume, as it is on the disk now.
take_copy() {
	rm -f $copy
	dd if=$disk of=$copy bs=1M count="$1" iflag=direct,count_bytes \
		conv=sparse status=none && truncate -s "$1" $copy
}

# with_copy ro|rw COMMAND...: with the copy mounted, its journal replayed (for
# which the loop device has to be writable even below a read-only mount).
with_copy() {
	local mode=$1 loop status=0
	shift
	mkdir -p $mnt
	loop=$(losetup -f --show $copy) || return
	mount -o "$mode" "$loop" $mnt && { "$@" || status=$?; } &&
		umount $mnt && losetup -d "$loop" && return $status
}

# inspect [exact]: mounts the copy as after a power cut, asks the programs'
# checkers and fsck, and prints what they found as NAME=VALUE lines.
inspect() {
	with_copy ro check_tree "$@" || return
	sqlite3 -batch -list /tmp/bank/bank.db <"$here/bank-check.sql" |
		tr '|' '\n'
	e2fsck -fn $copy >&2
	echo "fsck=$?"
}

# Sqlite has a log to replay as well: the bank is checked in a copy of its own.
check_tree() {
	local found tree=broken
	found=$("$here/tree-check" $mnt/tree "$@") && tree=ok
	echo "$found" >&2
	echo "${found##*$'\n'}"
	echo "tree=$tree"
	rm -rf /tmp/bank && mkdir /tmp/bank && cp $mnt/bank.db* /tmp/bank
}

fsck_disk() {
	e2fsck -fn $disk >&2
	echo "fsck=$?"
}

# digest BYTES
digest() {
	dd if=$disk bs=1M count="$1" iflag=direct,count_bytes status=none |
		sha256sum | cut -d ' ' -f 1
}

# --- to show that the checks can fail (DEMO_BREAK) ------------------------------
# break_block BYTES: one block in the middle, in the replica itself.
break_block() {
	dd if=/dev/urandom of=$disk bs=4096 seek=$(($1 / 8192)) count=1 \
		oflag=direct conv=notrunc status=none
}

# In the copy that is inspected:
break_bank() {
	with_copy rw sqlite3 -batch $mnt/bank.db \
		'UPDATE ledger SET amount = amount + 1 WHERE n = 7;'
}

break_tree() {
	with_copy rw sh -c "echo x >>$mnt/tree/archive/3"
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# The steps of site B, where the replica is (see agent).

disk=/dev/vda		# the base
log_disk=/dev/vdb
stage=/srv/stage
mnt=/mnt/replica
image=			# the device that is looked at

# serve BYTES HISTORY: nbdkit with the replica of the bank, and replicad for its
# test devices.
serve() {
	modprobe -a loop nbd dm-mod libcrc32c && insmod "$DMR_KO" || return
	mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 $log_disk &&
		mkdir -p $stage && mount $log_disk $stage || return
	start_nbdkit "$1" "$2" || return
	write_config
	start replicad.log replicad --config $config
	until_true 60 replicactl test --list
}

start_nbdkit() {
	rm -f /run/nbdkit.pid
	start nbdkit.log nbdkit --foreground --port 10809 \
		--pidfile /run/nbdkit.pid "$plugin" dir=$stage \
		"create=bank:$(($1 / 1024))KiB:$disk" "history=$2"
	until_true 30 test -s /run/nbdkit.pid
}

stop_nbdkit() {
	local pid
	pid=$(cat /run/nbdkit.pid)
	kill "$pid" && until_true 60 test ! -d "/proc/$pid"
}

link() {
	ip link set eth0 "$1"
}

replica() {
	replicactl "$@" --target nbd://localhost/bank
}

# look: the replica as its own site sees it, as JSON.
look() {
	replica history --last 1 --json
}

# It has a part of what it lacks, but not all.
is_halfway() {
	look | json_holds '.last_partial > .last_committed and .staged_bytes > 0'
}

# link_until_halfway: the link is back for so long; then look.
link_until_halfway() {
	link up && until_true 150 is_halfway && link down && look
}

# open_test NAME: a test device of the newest image; tells of it as JSON.
open_test() {
	replica test --name "$1" --json | tee /dev/stderr >/run/test.json ||
		return
	image=$(jq -r .device /run/test.json)
	cat /run/test.json
	[ -b "$image" ]
}

drop_test() {
	replicactl test --drop "$1" >&2
}

# settle BYTES: all that the log has goes to the disk, and nothing serves it.
settle() {
	stop_nbdkit && start_nbdkit "$1" 0 && until_true 120 is_settled &&
		stop_nbdkit || return
	image=$disk
}

is_settled() {
	look | json_holds '. as $h | .epochs[0] |
		.applied and .epoch == $h.last_committed'
}

# with_image ro|rw COMMAND...: with it mounted. The journal is replayed, for
# which it is written to: a test device, or a copy of the disk.
with_image() {
	local mode=$1 status=0
	shift
	mkdir -p $mnt
	mount -o "$mode" "$image" $mnt && { "$@" || status=$?; } &&
		umount $mnt && return $status
}

# inspect [exact]: mounts the image as after a power cut, asks the programs'
# checkers and fsck, and prints what they found as NAME=VALUE lines.
inspect() {
	with_image ro check_tree "$@" || return
	sqlite3 -batch -list /tmp/bank/bank.db <"$here/bank-check.sql" |
		tr '|' '\n'
	e2fsck -fn "$image" >&2
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

# take_copy BYTES: of the disk; it is what is looked at.
take_copy() {
	local copy=/tmp/copy.img
	dd if=$disk of=$copy bs=1M count="$1" iflag=direct,count_bytes \
		conv=sparse status=none && truncate -s "$1" $copy || return
	image=$(losetup -f --show $copy)
}

# In the copy that is inspected:
break_bank() {
	with_image rw sqlite3 -batch $mnt/bank.db \
		'UPDATE ledger SET amount = amount + 1 WHERE n = 7;'
}

break_tree() {
	with_image rw sh -c "echo x >>$mnt/tree/archive/3"
}

# In the filesystem that was taken over.
break_promoted() {
	sqlite3 -batch $mnt/bank.db \
		'UPDATE ledger SET amount = amount + 1 WHERE n = 7;'
}

# --- when A and B are a pair ----------------------------------------------------
# invite NAME BYTES: in a stage of its own; prints the token.
invite() {
	offer "$1" 10.77.0.2 $stage/pair "$2" $disk
}

has_no_device() {
	[ ! -e /dev/mapper/bank ]
}

# --- when both lose their power -------------------------------------------------
# open_site [new]: replicad, with what it remembers beside the stage, for this
# machine's root is in memory.
open_site() {
	modprobe -a loop nbd dm-mod libcrc32c && insmod "$DMR_KO" || return
	[ -z "${1-}" ] || mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 \
		$log_disk || return
	mkdir -p $stage /var/lib/replica && mount $log_disk $stage &&
		mkdir -p $stage/state &&
		mount --bind $stage/state /var/lib/replica || return
	write_config
	start replicad.log replicad --config $config
	until_true 60 replicactl test --list
}

# open_pair_test NAME: of the newest image that the pair's stage has; it is what is
# looked at.
open_pair_test() {
	until_true 120 replicactl test bank --name "$1" || return
	replicactl test --list --json >&2
	image=$(replicactl test --list --json |
		jq -r --arg n "$1" '.tests[] | select(.name == $n) | .device')
	[ -b "$image" ]
}

# image_digest BYTES
image_digest() {
	dd if="$image" bs=1M count="$1" iflag=direct,count_bytes status=none |
		sha256sum | cut -d ' ' -f 1
}

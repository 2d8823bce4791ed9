# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# The steps of site A, where the bank is (see agent). What lasts from one step to
# another is in files below $state.

state=/run/demo
mnt=/srv/bank
disk=/dev/vda
state_disk=/dev/vdb
mkdir -p $state

# load SECTORS OFFSET: the module, what replicad remembers (on a disk, for this
# machine's root is in memory), and a linear device on the disk.
load() {
	modprobe -a loop dm-mod libcrc32c
	insmod "$DMR_KO" || return
	mkdir -p /var/lib/replica
	mount $state_disk /var/lib/replica || return
	dmsetup create bank --table "0 $1 linear $disk $2"
}

# make_volume SECTORS OFFSET: a filesystem on it.
make_volume() {
	mkfs.ext4 -q -E lazy_itable_init=1,lazy_journal_init=1 $state_disk
	load "$@" || return
	mkfs.ext4 -q -E lazy_itable_init=0,lazy_journal_init=0 \
		/dev/mapper/bank || return
	mkdir -p $mnt
	mount /dev/mapper/bank $mnt || return
	mount_id >$state/mount-id
}

mount_id() {
	awk -v at=$mnt '$5 == at { print $1 }' /proc/self/mountinfo
}

open_bank() {
	mkdir -p $mnt/tree
	start bank.log "$here/bank" $mnt/bank.db $state/acks
	echo "$started" >$state/bank.pid
	start tree.log "$here/tree" $mnt/tree $state/count
	echo "$started" >$state/tree.pid
	until_true 150 test -s $state/count && until_true 150 test -s $state/acks
}

# Only the bank, where it was left.
reopen_bank() {
	start bank.log "$here/bank" $mnt/bank.db $state/acks
	echo "$started" >$state/bank.pid
}

# Both finish what they have begun.
close_bank() {
	local pid
	for pid in $(cat $state/bank.pid $state/tree.pid); do
		kill "$pid" || return
	done
	for pid in $(cat $state/bank.pid $state/tree.pid); do
		until_true 150 test ! -d "/proc/$pid" || return
	done
	cp $state/acks "$out/bank-acks.log"
}

progress() {
	echo "transfers=$(tail -n 1 $state/acks | cut -d ' ' -f 1)"
	echo "files=$(cat $state/count)"
	echo "now_us=${EPOCHREALTIME/./}"
}

# stall SINCE: the longest time between two transfers from then on, in ms.
stall() {
	awk -v since="$1" '
		$2 > since && last && $2 - last > most { most = $2 - last }
		$2 > since { last = $2 }
		END { printf "%d\n", most / 1000 }' $state/acks
}

# The same programs, on the same mount, as in the beginning.
never_stopped() {
	local pid
	[ "$(mount_id)" = "$(cat $state/mount-id)" ] || return
	for pid in $(cat $state/bank.pid $state/tree.pid); do
		kill -0 "$pid" || return
	done
}

start_replicad() {
	write_config
	start replicad.log replicad --config $config
	echo "$started" >$state/replicad.pid
	until_true 60 is_up
}

is_up() {
	replicactl status --json | json_holds .daemon.pid
}

kill_replicad() {
	kill -9 "$(cat $state/replicad.pid)"
	until_true 10 test ! -d "/proc/$(cat $state/replicad.pid)"
}

stop_replicad() {
	kill "$(cat $state/replicad.pid)"
	until_true 30 test ! -d "/proc/$(cat $state/replicad.pid)"
}

# replica VERB...: replicactl, its complaints in the log.
replica() {
	echo "# replicactl $*" >&2
	timeout 120 replicactl "$@"
}

# backlog MIB: something that will take a while to ship.
backlog() {
	dd if=/dev/urandom of=$mnt/backlog bs=1M count="$1" status=none &&
		sync -f $mnt
}

kernel_status() {
	dmsetup status bank
}

freeze() {
	sync -f $mnt && fsfreeze -f $mnt
}

digest() {
	dd if=/dev/mapper/bank bs=1M iflag=direct status=none | sha256sum |
		cut -d ' ' -f 1
}

# The device is plain again below the filesystem, which takes a write.
thaw_plain() {
	fsfreeze -u $mnt
	replica disable bank || return
	dmsetup table bank | tee /dev/stderr | grep -q ' linear ' || return
	! dmsetup info bank-dmr-origin 2>/dev/null || return
	date >$mnt/afterwards && sync -f $mnt &&
		[ "$(mount_id)" = "$(cat $state/mount-id)" ]
}

# --- after a power cut ------------------------------------------------------------
# come_back SECTORS OFFSET: as the unit replica-insert.service does it.
come_back() {
	load "$@" || return
	write_config
	replicad --config $config --insert=30 >&2 || return
	start_replicad
}

# invite NAME BYTES: A receives, on the disk that it has; prints the token.
invite() {
	dmsetup rename bank bank-disk || return
	offer "$1" 10.77.0.1 /var/lib/replica/stage "$2" /dev/mapper/bank-disk
}

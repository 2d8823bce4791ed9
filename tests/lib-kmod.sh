# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For tests of the kernel module: source it after lib.sh. Volumes are named by
# a word: its disk is /dev/NAME-disk (null_blk), above it a dm-delay device that
# can hold up reads or writes, the replica device is /dev/mapper/NAME, and its view
# /dev/mapper/NAME-dmr-view.

# Nobody probes these devices, and no dmsetup waits for it.
export DM_DISABLE_UDEV=1
if [ -n "${VM_SHARE-}" ]; then
	udevadm control --stop-exec-queue
	cleanup_fn udevadm control --start-exec-queue
fi

dmsetup() {
	local status=0 words
	{ words=$(command dmsetup "$@" 2>&1 >&3) || status=$?; } 3>&1
	grep -v '^Udev is running' <<<"$words" | grep . >&2
	return $status
}

# make_plain_volume NAME MIB [OPTION...]: without the dm-delay device.
make_plain_volume() {
	local name=$1 mib=$2
	shift 2
	make_null "$name-disk" "$mib"
	make_replica "$name" "/dev/$name-disk" "$@"
	make_view "$name" "/dev/$name-disk"
}

# make_volume NAME MIB [OPTION...]: target options come as words.
make_volume() {
	local name=$1 mib=$2
	shift 2
	make_null "$name-disk" "$mib"
	modprobe -q dm-delay
	make_dm "$name-slow" "$(delay_table "$name" 0 0)"
	make_replica "$name" "$(origin_of "$name")" "$@"
	make_view "$name" "$(origin_of "$name")"
}

origin_of() {
	if [ -e "/dev/mapper/$1-slow" ]; then
		echo "/dev/mapper/$1-slow"
	else
		echo "/dev/$1-disk"
	fi
}

# Lines for dmr-ctl: from now on reads, writes stay in the disk until they are
# let go, or so many milliseconds.
hold_up() {
	local what=$2 ms=${3:-100000} read=0 write=0
	[ "$what" = reads ] && read=$ms || write=$ms
	echo "run dmsetup reload $1-slow --table '$(delay_table "$1" \
		$read $write)' && dmsetup resume $1-slow"
}
let_go() {
	echo "run dmsetup reload $1-slow --table '$(delay_table "$1" 0 0)'" \
		"&& dmsetup resume $1-slow"
}

# device,view,origin as oracle-ship wants it
ship_spec() {
	echo "/dev/mapper/$1,/dev/mapper/$1-dmr-view,$(origin_of "$1")"
}

delay_table() {
	local disk=/dev/$1-disk
	echo "0 $(sectors_of "$disk") delay $disk 0 $2 $disk 0 $3"
}

# set_delay NAME READ_MS WRITE_MS: from now on; waits for what is under way.
set_delay() {
	dmsetup reload "$1-slow" --table "$(delay_table "$@")" &&
		dmsetup resume "$1-slow"
}

# ctl DESCRIPTION NAME [COMMAND...]: one dmr-ctl script; commands as arguments
# or on standard input. Its lines are shown if it fails.
ctl() {
	local what=$1 name=$2
	shift 2
	check "$what" dmr-ctl "/dev/mapper/$name" "$@"
}

# All that is dirty is committed: the first sync, without a copy.
settle_volume() {
	dmr-ctl "/dev/mapper/$1" attach "cut next" "wait frozen" "release all" \
		"end commit" "expect nr_dirty=0" >"$scratch_dir/settle" ||
		{ note "$(cat "$scratch_dir/settle")"; bail "no first sync of $1"; }
}

# start_writer OPTION... -- NAME...: an oracle writer in the background; its
# state is $oracle_state, its output $scratch_dir/writer. On a slow kernel it
# pauses for longer, so that who ships can keep up as elsewhere.
start_writer() {
	local options=() devices=() name last=
	while [ "$1" != -- ]; do
		[ "$last" != --pause ] || set -- $(($1 * ${DMR_SLOW:-1})) "${@:2}"
		options+=("$1")
		last=$1
		shift
	done
	shift
	for name; do
		devices+=("/dev/mapper/$name")
	done
	oracle_state=$scratch_dir/state
	rm -f "$oracle_state"
	oracle-writer "${options[@]}" "$oracle_state" "${devices[@]}" \
		>"$scratch_dir/writer" 2>&1 &
	writer_pid=$!
	cleanup_fn kill -9 $writer_pid
	wait_until 60 test -s "$oracle_state" || bail "the writer did not start"
}

# check_ended DESCRIPTION PID FILE: a background process ended well; FILE has
# its output.
check_ended() {
	local status=0
	wait "$2" || status=$?
	is "$1" $status 0
	note "$(cat "$3")"
}

# check_writer DESCRIPTION: it wrote to its end, and no write failed or stalled.
check_writer() {
	check_ended "$1" "$writer_pid" "$scratch_dir/writer"
}

# ship_specs NAME...: into $specs
ship_specs() {
	local name
	specs=()
	for name; do
		specs+=("$(ship_spec "$name")")
	done
}

# --- volumes with a metadata device ------------------------------------------------
# make_meta NAME META_MIB: /dev/NAME-meta, of zeros
make_meta() {
	make_null "$1-meta" "$2"
}

# meta_table NAME [OPTION...]: the table line of NAME with /dev/NAME-meta
meta_table() {
	local name=$1 origin
	shift
	origin=$(origin_of "$name")
	echo "0 $(sectors_of "$origin") replica $origin" \
		"/dev/$name-meta $# $*"
}

# make_kept_volume NAME MIB META_MIB [OPTION...]: what it knows is kept.
make_kept_volume() {
	local name=$1 mib=$2 meta=$3
	shift 3
	requires_cmd replica-dump
	make_null "$name-disk" "$mib"
	make_meta "$name" "$meta"
	start_kept "$name" "$@"
	cleanup_fn stop_kept "$name"
}

# start_kept NAME [OPTION...], stop_kept NAME: its devices come and go; retire
# says that it is planned.
start_kept() {
	local name=$1
	shift
	dmsetup create "$name" --table "$(meta_table "$name" "$@")" || return
	dmsetup create -r --noudevrules "$name-dmr-view" --table \
		"0 $(sectors_of "/dev/mapper/$name") replica-view $(origin_of \
		"$name")" || return
}
stop_kept() {
	dm_remove "$1-dmr-view"
	dm_remove "$1"
}
retire_kept() {
	dmsetup message "$1" 0 retire && stop_kept "$1"
}

# field NAME FIELD, flag NAME BIT: what GET says; flags are 8 suspect, 16 failed,
# 32 pending
field() {
	dmr-ctl "/dev/mapper/$1" "get $2" | sed -n "s/.*$2=\([0-9]*\).*/\1/p"
}
flag() {
	[ $(($(field "$1" dev_flags) & $2)) != 0 ]
}
is_kept() {
	! flag "$1" 32
}

# dump_all NAME, dump NAME FIELD: the same from the metadata device, without the
# kernel
dump_all() {
	blockdev --flushbufs "/dev/$1-meta"
	replica-dump "/dev/$1-meta"
}
dump() {
	dump_all "$1" | awk -v f="$2" '
		$1 == f && !n++ { sub(/^[^ ]+ +/, ""); print }'
}

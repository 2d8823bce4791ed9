# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-*.sh: source it first, call finish last. TAP on stdout; status 0 all
# checks held, 1 not, 4 skipped (the kselftest vocabulary).
#
#   #!/bin/bash
#   # What would be wrong if this failed.
#   # lab: fault timeout=90            (optional, see run-vm-tests)
#   . "$(dirname "$0")/lib.sh"
#   requires_cmd fio
#   load_module
#   make_null disk0 64                 # /dev/disk0
#   make_replica vol /dev/disk0
#   check "a write is tracked" dd if=/dev/zero of=/dev/mapper/vol bs=4k count=1
#   check_dmesg
#   finish
#
# Whatever a helper makes is undone at exit, in reverse order, as are the
# commands given to cleanup_fn. Helpers that make things must not run in $( ).

test_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top_dir=$(dirname "$test_dir")
test_name=$(basename "$0" .sh)
PATH=$test_dir:$top_dir/build/tests:$top_dir/daemon:$top_dir/utils:$PATH
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
set -u

# shellcheck source=tests/lib-json.sh
. "$test_dir/lib-json.sh"

test_nr=0
test_failed=0
test_finished=
test_cleanups=()
test_mark="$test_name: test starts ($$)"
scratch_dir=$(mktemp -d "${TMPDIR:-/tmp}/$test_name.XXXXXX")
# A test before this one may have stopped udev (lib-kmod.sh): dmsetup would wait
# for it for ever.
[ -z "${VM_SHARE-}" ] || udevadm control --start-exec-queue

# --- checks ---------------------------------------------------------------------
pass() {
	test_nr=$((test_nr + 1))
	echo "ok $test_nr - $*"
}

fail() {
	test_nr=$((test_nr + 1))
	test_failed=$((test_failed + 1))
	echo "not ok $test_nr - $*"
}

note() {
	printf '%s\n' "$*" | sed 's/^/# /'
}

# check DESCRIPTION COMMAND...: it succeeds; its output is shown if not.
check() {
	local what=$1 output status=0
	shift
	output=$("$@" 2>&1) || status=$?
	if [ $status = 0 ]; then
		pass "$what"
		return 0
	fi
	fail "$what"
	note "status $status of: $*"
	[ -z "$output" ] || note "$output"
	return 1
}

# refuses DESCRIPTION REGEX COMMAND...: it fails, in words that match.
refuses() {
	local what=$1 regex=$2 output status=0
	shift 2
	output=$("$@" 2>&1) || status=$?
	if [ $status != 0 ] && [ $status -lt 124 ] &&
			grep -qE -- "$regex" <<<"$output"; then
		pass "$what"
		return 0
	fi
	fail "$what"
	note "status $status of: $*"
	note "want a failure that says: $regex"
	[ -z "$output" ] || note "$output"
	return 1
}

# is DESCRIPTION GOT WANT
is() {
	if [ "$2" = "$3" ]; then
		pass "$1"
		return 0
	fi
	fail "$1"
	note "got '$2', want '$3'"
	return 1
}

# The test cannot go on: "cmd || bail why".
bail() {
	fail "$*"
	finish
}

skip_all() {
	echo "1..0 # SKIP $*"
	test_finished=4
	exit 4
}

finish() {
	echo "1..$test_nr"
	test_finished=0
	[ $test_failed = 0 ] && [ $test_nr -gt 0 ] || test_finished=1
	exit $test_finished
}

# --- clean-up -----------------------------------------------------------------------
# cleanup_fn COMMAND...: run at exit; last registered, first run.
cleanup_fn() {
	local quoted
	printf -v quoted '%q ' "$@"
	test_cleanups=("$quoted" ${test_cleanups[@]+"${test_cleanups[@]}"})
}

run_cleanups() {
	local c
	trap '' INT TERM
	for c in ${test_cleanups[@]+"${test_cleanups[@]}"}; do
		eval "timeout_or_function $c" >/dev/null 2>&1
	done
	rm -rf "$scratch_dir"
	[ -n "$test_finished" ] || echo "# the test ended before its end"
	exit "${test_finished:-1}"
}

timeout_or_function() {
	if [ "$(type -t "$1")" = file ]; then
		timeout -k 2 20 "$@"
	else
		"$@"
	fi
}
trap run_cleanups EXIT
trap 'exit 143' TERM INT

# --- requirements ---------------------------------------------------------------------
requires_root() {
	[ "$(id -u)" = 0 ] || skip_all "needs root"
}

requires_cmd() {
	local c
	for c; do
		command -v "$c" >/dev/null || skip_all "needs $c"
	done
}

requires_module() {
	local m
	requires_root
	for m; do
		modprobe "$m" 2>/dev/null || skip_all "needs the module $m"
	done
}

# --- waiting ----------------------------------------------------------------------------
# wait_until SECONDS COMMAND...: polls until it succeeds; status 1 if it never did.
# DMR_SLOW is how many times slower the kernel is; DMR_PATIENCE multiplies only
# limits like this one, for a machine that does other things, too.
wait_until() {
	local end=$((SECONDS + $1 * ${DMR_SLOW:-1} * ${DMR_PATIENCE:-1}))
	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}

# --- the module ---------------------------------------------------------------------------
# load_module [--fault] [PARAM=VALUE...]: --fault needs the variant with fault
# points ("# lab: fault"). $DMR_KO names the file; without it the kernel's own
# dm-replica is used.
load_module() {
	requires_root
	if [ "${1-}" = --fault ]; then
		shift
		[ -n "${DMR_FAULT-}" ] || skip_all "needs the fault variant"
	fi
	if [ -n "${DMR_KO-}" ]; then
		modprobe -q -a dm-mod libcrc32c xxhash
		insmod "$DMR_KO" "$@" || bail "the module does not load"
	else
		modprobe dm-replica "$@" 2>/dev/null ||
			skip_all "needs the module dm-replica"
	fi
	cleanup_fn rmmod dm-replica
}

# set_fault NAME VALUE: a fault point, for example set_fault fault_mark_us 2000
set_fault() {
	echo "$2" >"/sys/module/dm_replica/parameters/$1"
}

# --- devices -------------------------------------------------------------------------------
# make_null NAME MIB [ATTRIBUTE=VALUE...]: a RAM disk /dev/NAME with discards;
# the attributes are null_blk's: irqmode=2 completion_nsec=1000000 is a 1 ms disk.
make_null() {
	local name=$1 mib=$2 dir=/sys/kernel/config/nullb/$1 a
	shift 2
	[ ! -e "/dev/$name" ] || bail "there is a /dev/$name already"
	modprobe null_blk nr_devices=0 || bail "no null_blk"
	mkdir "$dir" || bail "cannot make the disk $name"
	cleanup_fn rmdir "$dir"
	for a in "size=$mib" memory_backed=1 discard=1 "$@"; do
		echo "${a#*=}" >"$dir/${a%%=*}" || bail "null_blk: $a"
	done
	echo 1 >"$dir/power"
	wait_until 60 test -b "/dev/$name" || bail "no /dev/$name"
}

# make_brd NUMBER MIB: RAM disks /dev/ram0 …, without discards.
make_brd() {
	modprobe brd "rd_nr=$1" "rd_size=$(($2 * 1024))" || bail "no brd"
	cleanup_fn rmmod brd
	wait_until 60 test -b "/dev/ram$(($1 - 1))" || bail "no /dev/ram*"
}

# make_loop FILE: $loop_dev is a loop device on it.
make_loop() {
	modprobe -q loop
	loop_dev=$(losetup -f --show "$1") || bail "no loop device"
	cleanup_fn losetup -d "$loop_dev"
}

dm_remove() {
	local i
	for ((i = 0; i < 20; i++)); do
		dmsetup remove "$1" 2>/dev/null && return 0
		dmsetup info "$1" >/dev/null 2>&1 || return 0
		sleep 0.1
	done
	dmsetup remove --force "$1"
}

# make_dm NAME TABLE: a device-mapper device (table lines on one argument).
make_dm() {
	dmsetup create "$1" --table "$2" || bail "dmsetup create $1"
	cleanup_fn dm_remove "$1"
}

sectors_of() {
	blockdev --getsz "$1"
}

# copy_instant FROM TO: what a power cut would leave on FROM, which is written now
# and then only: read twice, with nothing written in between.
copied_twice() {
	dd if="$1" of="$2" bs=1M iflag=direct conv=fsync status=none &&
		cmp -s "$2" <(dd if="$1" bs=1M iflag=direct status=none)
}
copy_instant() {
	wait_until 60 copied_twice "$1" "$2"
}

# make_replica VOL ORIGIN [OPTION...]: target options come as words.
make_replica() {
	local vol=$1 origin=$2
	shift 2
	make_dm "$vol" "0 $(sectors_of "$origin") replica $origin - $# $*"
}

# make_view VOL ORIGIN: /dev/mapper/VOL-dmr-view
make_view() {
	dmsetup create -r --noudevrules "$1-dmr-view" --table \
		"0 $(sectors_of "$2") replica-view $2" || bail "no view of $1"
	cleanup_fn dm_remove "$1-dmr-view"
}

# status_of VOL FIELD: role state epoch dirty frozen held preserved hot
status_of() {
	local start len target role state epoch dirty frozen held preserved hot
	# shellcheck disable=SC2034
	read -r start len target role state epoch dirty frozen held preserved \
		hot _ < <(dmsetup status "$1")
	echo "${!2}"
}

# --- the kernel log ------------------------------------------------------------------------
kernel_log() {
	dmesg | awk -v mark="$test_mark" 'on; index($0, mark) { on = 1 }'
}

# check_dmesg: the kernel did not complain since the test began.
check_dmesg() {
	local complaint
	if complaint=$(kernel_log | "$test_dir/kernel-complaints"); then
		fail "the kernel did not complain"
		note "$complaint"
	else
		pass "the kernel did not complain"
	fi
}

[ ! -w /dev/kmsg ] || echo "$test_mark" >/dev/kmsg 2>/dev/null

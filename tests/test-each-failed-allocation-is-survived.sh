#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, memory that lacks at one point of a command, of a message or of
# a table operation, or a disk error there, crashes the kernel, leaks, or leaves
# a volume half changed or unusable.
# lab: timeout=1200
#
# DMR_FAIL_STEP=N: only every n-th point, from a random one on. Without it, each
# of the commands and messages, and every ninth of the table operations, which
# have thousands: all of them take hours (DMR_FAIL_STEP=1).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
[ -e /proc/self/fail-nth ] && [ -d /sys/kernel/debug/failslab ] ||
	skip_all "this kernel has no fault injection (tests/check-on debug)"
load_module
make_null origin 8
make_null meta 2

# Its own TAP lines become checks of ours, as they come.
try() {
	local line what=$1 ended=
	shift
	while read -r line; do
		case $line in
		"ok "*) pass "$what: ${line#ok * - }" ;;
		"not ok "*) fail "$what: ${line#not ok * - }" ;;
		1..*) ended=1 ;;
		*) note "$line" ;;
		esac
	done < <(fail-nth /dev/origin /dev/meta "$@" 2>&1)
	[ -n "$ended" ] || fail "$what: it did not come to its end"
	dmsetup remove -f fail-nth-dmr-view >/dev/null 2>&1
	dmsetup remove -f fail-nth >/dev/null 2>&1
}
try "no memory" commands
export DMR_FAIL_STEP=${DMR_FAIL_STEP:-9}
try "no memory" tables

# Now its disks fail, too.
for disk in origin meta; do
	echo 1 >/sys/block/$disk/make-it-fail ||
		bail "no make-it-fail of $disk"
done
try "no memory, no disk" tables
for disk in origin meta; do
	echo 0 >/sys/block/$disk/make-it-fail
done

dmsetup create vol --table "0 16384 replica /dev/origin - 0" ||
	bail "no volume any more"
# udev has had thousands of events.
wait_until 60 test -b /dev/mapper/vol || bail "no /dev/mapper/vol"
cleanup_fn dm_remove vol
make_view vol /dev/origin
ctl "afterwards a volume ships right" vol attach "cut next" "wait frozen" \
	"release all" "end commit" "write /dev/mapper/vol 80 8 5" "cut next" \
	"wait frozen" "write /dev/mapper/vol 80 8 6" \
	"read /dev/mapper/vol-dmr-view 80 8 5" "release all" "end commit" \
	"expect nr_dirty=1"
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a malformed request is taken, crashes the kernel, is refused
# without words, or changes something.
# lab: kernels timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16

# Its lines of TAP become ours.
take_tap() {
	while read -r line; do
		case $line in
		"ok "*) pass "${line#*- }" ;;
		"not ok "*) fail "${line#*- }" ;;
		1..*) ;;
		*) note "$line" ;;
		esac
	done
}
take_tap < <(netlink-malformed /dev/mapper/vol)
take_tap < <(netlink-malformed --uncapped /dev/mapper/vol)
is "all of it was run" "$((test_nr > 80))" 1

requires_cmd unshare
refuses "root of another user namespace may not" "not permitted" \
	unshare -Ur dmr-ctl /dev/mapper/vol get
refuses "there is no family in another network namespace" "No such file" \
	unshare -n dmr-ctl /dev/mapper/vol get
ctl "the device works" vol attach "cut next" "wait frozen" "release all" \
	"end commit" "expect nr_dirty=0"
check_dmesg
finish

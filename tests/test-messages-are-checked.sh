#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, "dmsetup message" or "dmsetup status" misleads an operator: a
# wrong message does something, or the status line has other fields than said.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16
settle_volume vol
for m in "" "nonsense" "mark" "mark some" "mark all of it" "hold" "hold x" \
	"hold 0" "hold 60001" "hold 1 2" "unhold now" "retire now" "request"; do
	# shellcheck disable=SC2086
	refuses "message '$m'" "" dmsetup message vol 0 $m
done
ctl "nothing happened" vol "expect nr_dirty=0 dev_flags=1"

ctl "an epoch" vol <<EOF
attach
write /dev/mapper/vol 0 32 1
cut 77
wait frozen
write /dev/mapper/vol 0 8 2
release 3
run dmsetup status vol >$scratch_dir/status
run dmsetup status vol-dmr-view >$scratch_dir/view
end keep
EOF
is "status" "$(cat "$scratch_dir/status")" \
	"0 32768 replica primary frozen 77 1 4 3 1 0/4 volatile"
is "the view's status names the open epoch" "$(cat "$scratch_dir/view")" \
	"0 32768 replica-view 77"
is "and then" "$(dmsetup status vol)" \
	"0 32768 replica primary idle 0 3 0 0 0 0/4 volatile"
check "retire" dmsetup message vol 0 retire
check "mark all" dmsetup message vol 0 mark all
is "status" "$(status_of vol dirty)" 4096
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, two epochs can have one number, and a target that has seen the
# first takes the second for it.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16

ctl "a number is refused unless it is above all that were cut" vol <<EOF
attach
fails ERANGE cut 0
cut 10
expect highest_seen=10
wait frozen
end abort
fails ERANGE cut 10
fails ERANGE cut 9
cut 11
expect highest_seen=11 epoch=11
fails EBUSY cut 12
wait frozen
release all
end commit
fails ERANGE cut 11
expect last_committed=11 highest_seen=11 epoch=0
EOF

ctl "a number may jump ahead, but not by 2^32" vol <<EOF
attach
fails ERANGE cut $((11 + (1 << 32)))
expect highest_seen=11 nr_cuts=2
cut $((11 + (1 << 32) - 1))
end abort
EOF

ctl "refused numbers left no trace" vol "attach" "wait state=1" \
	"expect nr_cuts=3 nr_commits=1 nr_aborts=2" \
	"fails ERANGE cut 12" "cut next" "wait frozen"

ctl "the counts went on after the socket closed" vol \
	"wait epoch=0" "expect nr_cuts=4 nr_aborts=3"
check_dmesg
finish

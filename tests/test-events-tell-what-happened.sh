#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, the daemon sleeps while there is something to do.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_volume vol 16 preserve_pages 1
settle_volume vol
v=/dev/mapper/vol

ctl "DIRTY comes with the first write after a cut, once, to the owner" vol <<EOF
attach
cut next
event frozen
release all
end commit
noevent dirty 100
write $v 0 8 1
event dirty
write $v 8 8 1
write $v 0 8 1
noevent dirty 200
cut next
write $v 8 8 1
event dirty
EOF

ctl "DIRTY comes for what an abort or a mark makes dirty" vol <<EOF
attach
cut next
wait frozen
end abort
event dirty
cut next
event frozen
release all
end commit
mark 7
event dirty
EOF

ctl "FROZEN tells the epoch and its chunks, DEGRADED the epoch" vol <<EOF
attach
write $v 0 64 1
cut 1000
event frozen
run dmr-ctl $v "wait frozen"
write $v 0 32 2
event degraded
end abort
EOF
out=$(dmr-ctl $v attach "write $v 0 64 1" "cut 2000 fuzzy" "event frozen")
check "FROZEN has number, flags and count" \
	grep -q "event frozen: epoch=2000 flags=1 frozen=" <<<"$out"

out=$(dmr-ctl $v "run dmsetup message vol 0 request enable a b=c" \
	"event request")
check "REQUEST has the words" grep -q " enable a b=c ok" <<<"$out"
refuses "a request that is too long is refused" "" \
	dmsetup message vol 0 request "$(printf '%01100d' 0)"

dmr-ctl $v "event removed 60000" >"$scratch_dir/removed" &
listener=$!
wait_until 60 grep -q . "$scratch_dir/removed"
dm_remove vol-dmr-view
check "the device goes" dmsetup remove vol
check_ended "REMOVED" $listener "$scratch_dir/removed"
check_dmesg
finish

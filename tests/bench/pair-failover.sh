#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
#
# A forced failover of a volume that has HISTORY MiB of epochs in its log, which
# the base has not yet, on the simulated kernel; log and base on the file system
# of this tree:
#
#   failover-ready   seconds from "failover --force" to the first write to B's
#                    device. The goal is 5
#   failover-copy    the same; the peer: dd of as much as the volume has, with an
#                    fsync, there and right after it, which is what this disk can
#                    do just now
here=$(dirname "$(readlink -f "$0")")
export TMPDIR=$here/../../build
. "$here/common"
. "$here/../lib-native.sh"
. "$here/../lib-pair.sh"
. "$here/../lib-failover.sh"
. "$here/pair-figures"
HISTORY=${HISTORY:-256} PIECES=8
native_mib=$HISTORY

# An empty one: the first copy is no history.
make_volume() {
	sim-ctl create "$1" $(($2 << 20)) 4096 || bail "no volume"
}

# fill: all of the volume, in PIECES epochs or more
fill() {
	local i piece=$((HISTORY / PIECES << 20))
	for ((i = 0; i < PIECES; i++)); do
		sim-ctl write a $((i * piece)) $piece $((i + 1)) &&
			wait_settled a 60 || bail "nothing is written"
	done
}

of_history() {
	replicactl history a --json | jq "$1"
}

replicate_pair
fill
log_mib=$(($(of_history .log_bytes) >> 20))
left=$(of_history '[.epochs[] | select(.applied | not)] | length')
lose_a
start=$EPOCHREALTIME
b replicactl failover a --force >"$scratch_dir/says" 2>&1 ||
	bail "no failover: $(cat "$scratch_dir/says")"
b sim-ctl write a 0 4096 99 || bail "B's device can't be written to"
ready=$(between "$start" "$EPOCHREALTIME")
cmp -i 4096 "$scratch_dir/a.img" "$site_b/a.base" || bail "not what A had"
start=$EPOCHREALTIME
dd if="$scratch_dir/a.img" of="$scratch_dir/copy" bs=1M conv=fsync \
	status=none || bail "no copy"
copy=$(between "$start" "$EPOCHREALTIME")
goal failover-ready "$ready" 5
row failover-copy "$ready" s "dd and fsync" "$copy" \
	"$(quotient "$ready" "$copy")"
echo "the log had $log_mib MiB, $left epochs of it not yet in the base"
test_finished=0
exit 0

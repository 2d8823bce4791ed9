#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=120
#
#   test-ready    seconds from "replicactl test" to a device of a sparse volume
#                 of 1 TiB that has answered; the median of ROUNDS. The aim is
#                 below 2 s, which stands as the peer
ROUNDS=${ROUNDS:-7}
. "$(dirname "$0")/common"
. "$(dirname "$0")/../lib-history.sh"
. "$(dirname "$0")/pair-figures"

vol_size=1TiB start_plugin history=1h
primary <<'EOP'
p = Primary().hello()
for epoch in range(1, 200):
    p.whole(epoch, epoch * 1000, epoch, 4)
EOP
begin_config
start_daemon
for _ in $(seq "$ROUNDS"); do
	began=$EPOCHREALTIME
	replicactl test --no-attach --name big --target "$(uri vol)" \
		>/dev/null 2>"$scratch_dir/told" ||
		bail "no test device: $(cat "$scratch_dir/told")"
	awk "BEGIN { print $EPOCHREALTIME - $began }" >>"$scratch_dir/times"
	replicactl test --drop big >/dev/null || bail "it cannot be dropped"
done
goal test-ready "$(median <"$scratch_dir/times")" 2
stop_daemon
test_finished=0
exit 0

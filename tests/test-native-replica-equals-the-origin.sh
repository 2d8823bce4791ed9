#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the replica would not be the volume, after
# a first sync in windows, after writes during it, or on a local target.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

make_volume a
make_volume b
start_target a --filter=delay delay-write=1ms delay-zero=1ms
begin_config 2
configure a window=512KiB
configure b "target=local:$scratch_dir/b.target"
truncate -s $((native_mib * 1048576 + 1048576)) "$scratch_dir/b.target"
start_daemon
sim-ctl storm a 500 3 500
sim-ctl storm b 500 4 500
check "the replica on nbdkit is the volume" replica_equals a
check "the replica in a local file is the volume" replica_equals b
check "a big set went in windows" test "$(field a epochs_partial)" -ge 4
is "the first sync has ended" "$(field a synced)" true
is "the replica is consistent" "$(field a replica_consistent)" true
is "the verdict" "$(rpc-call status | jq -r .verdict)" ok
check "zeros were not sent as data" test "$(field b bytes_shipped)" -lt \
	$((native_mib * 1048576 / 2 + 500 * 4096 + 1))
sim-ctl write a 40960 8192 77
check "and after one more write" replica_equals a
stop_daemon
is "a clean stop" $? 0
check "the socket is gone" test ! -e "$REPLICA_SOCKET"
is "no epoch is left open" "$(sim-ctl get a epoch)" 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a paused volume would go on shipping, or
# the link would be used more than the operator allowed, or a restart would forget
# either.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

make_volume a
start_target a
begin_config
configure a bandwidth=2MiB window=512KiB
start=$(date +%s%N)
start_daemon
check "the replica is made" replica_equals a
took=$((($(date +%s%N) - start) / 1000000))
note "4 MiB of data at 2 MiB/s took $took ms"
check "not faster than the limit" test $took -ge 1800
check "pause" rpc-call pause '{"volume":"a"}'
check "it is paused" wait_until 60 field_is a state paused
sum=$(sha256sum <"$scratch_dir/a.target")
sim-ctl write a 0 65536 4
sleep 1
is "nothing was written meanwhile" "$(sha256sum <"$scratch_dir/a.target")" "$sum"
is "what is owed is shown" "$(field a dirty_bytes)" 65536
is "the verdict" "$(rpc-call status | jq -r .verdict)" degraded
stop_daemon
start_daemon
check "a restart keeps the pause" wait_until 60 field_is a state paused
kill_daemon
start_daemon
check "so does a kill" wait_until 60 field_is a state paused
sleep 1
is "nothing was written" "$(sha256sum <"$scratch_dir/a.target")" "$sum"
check "resume" rpc-call resume '{"volume":"a"}'
check "it catches up" replica_equals a
stop_daemon
start_daemon
check "a restart keeps that, too" replica_equals a
lag_is_small() {
	[ "$(field a lag_s | cut -d. -f1)" -le 1 ]
}
check "the lag is small" wait_until 60 lag_is_small
finish

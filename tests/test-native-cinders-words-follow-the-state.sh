#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: the status in Cinder's words would say
# something else than is true, be stuck after a crash (Cinder's defects: "enabling"
# for ever, a failover that a restart turns into "enabled"), or tell a tenant of
# targets.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq

words_are() { # WORD DATA
	[ "$(field v replication_status) $(field v data)" = "$1 $2" ]
}
words() {
	wait_until 60 words_are "$@" && return
	rpc-call status | jq -c ".volumes[] | [.state, .reason, .replication_status, .data]"
	return 1
}
native_mib=8
make_volume v
begin_config
configure v
start_daemon
check "no target yet: enabling" words enabling inactive
kill_daemon
start_daemon
check "a crash meanwhile: still enabling" words enabling inactive
start_target v
check "with it: enabled" words enabled active
check "as is the state" replica_equals v
check "the extended status" grep -qE '^active lag=[0-9]+s epoch=[1-9][0-9]*$' \
	<<<"$(field v replication_extended_status)"
data=$(field v replication_driver_data)
check "the driver data: $data" grep -qxE '[0-9a-f]{16}' <<<"$data"
check "pause" rpc-call pause '{"volume":"v"}'
check "paused: still enabled, but stopped" words enabled active-stopped
check "resume" rpc-call resume '{"volume":"v"}'
check "resumed" words enabled active
kill_pid $target_pid
check "the target is gone: still enabled, but stopped" words enabled active-stopped
check "no word names it" eval '! rpc-call status | jq -r ".volumes[] |
	.replication_status, .replication_extended_status, .data" | grep -e nbd -e /'
start_target v
check "it is back" words enabled active
kill_daemon
truncate -s $((native_mib * 1048576 + 1048576)) "$scratch_dir/other.target"
echo "somebody's" | dd of="$scratch_dir/other.target" conv=notrunc status=none
start_target other
sed -i "s|^target=.*|target=$(uri_of other)|" "$scratch_dir/conf"
start_daemon
check "a target that cannot be: error" words error error
kill_daemon
sed -i "s|^target=.*|target=$(uri_of v)|" "$scratch_dir/conf"
start_daemon
check "put right: no error is kept" words enabled active
is "the driver data are the same" "$(field v replication_driver_data)" "$data"
stop_daemon
finish

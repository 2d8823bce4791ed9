#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, a machine with a thousand volumes that nobody writes to would give
# replicad a gigabyte for buffers that it does not use.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
nr=100
begin_config
for ((i = 1; i <= nr; i++)); do
	make_volume v$i 1
	truncate -s 3M "$scratch_dir/v$i.target"
	printf '[volume v%d]\ntarget=local:%s\nmetadata=none\nheartbeat=500ms\n' \
		$i "$scratch_dir/v$i.target" >>"$scratch_dir/conf"
done
start_daemon
replicating() {
	[ "$(replicactl status --json | jq -r '.volumes[].state' |
		grep -cx replicating)" = $nr ]
}
check "$nr volumes replicate" wait_until 120 replicating
# 16 MiB are the reactor's pool, and as much is for the rest of the process.
anon_kib() {
	sed -n 's/^RssAnon:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$daemon_pid/status"
}
is_small() {
	[ "$(anon_kib)" -lt $((32 * 1024 + nr * 200)) ]
}
check "and take less than 200 KiB each when they are idle" wait_until 60 is_small ||
	note "$(anon_kib) KiB"
check "a write is shipped as ever" sim-ctl write v7 0 65536
native_mib=1
check "and is there" replica_equals v7
is "all are in the metrics" "$(replicactl metrics |
	grep -c '^replica_volume_synced{.*} 1$')" $nr
stop_daemon
is "it stops" $? 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume enabled at run time would be
# forgotten at a restart, or disable would leave its target in the device.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

enable() {
	local options='"interval":"20ms","heartbeat":"200ms","stale_wait":"100ms"'
	rpc-call enable "{\"volume\":\"$1\",\"target\":\"$(uri_of "$1")\",$(
		)\"group\":\"g\",\"options\":{$options}}"
}

make_volume a
make_volume b
start_target a
start_target b
begin_config 2
start_daemon
rpc-call events 600 >"$scratch_dir/events" &
cleanup_fn kill_pid $!
wait_until 60 grep -q . "$scratch_dir/events" || bail "no events"
check "enable" enable a
check "its replica is made" replica_equals a
refuses "enable it again" "enabled already" enable a
check "another joins the group while it runs" enable b
check "both replicas are made" eval 'replica_equals a && replica_equals b'
kill_daemon
start_daemon
sim-ctl write a 0 8192 3
check "after a kill both are there again" \
	eval 'replica_equals a && replica_equals b'
replicactl events --events2 >"$scratch_dir/events2" &
cleanup_fn kill_pid $!
tells() {
	check "events2: $1" wait_until 60 grep -qxE "$1" "$scratch_dir/events2"
}
tells 'exists -'
check "disable" rpc-call disable '{"volume":"a"}'
tells 'destroy volume name:a'
tells 'create volume name:b state:connecting'
is "the device is as before" "$(sim-ctl get a plain)" 1
is "the other stays" "$(rpc-call status | jq -r '.volumes[].name')" b
sim-ctl write b 0 8192 4
check "and goes on" replica_equals b
refuses "disable it again" "no volume a" rpc-call disable '{"volume":"a"}'
check "enable after disable" enable a
tells 'create volume name:a state:connecting'
check "everything is sent again, to the same target" replica_equals a
stop_daemon
start_daemon
check "a restart keeps both" eval 'replica_equals a && replica_equals b'
for e in connecting syncing replicating; do
	check "the event $e was told" grep -q "\"state\".*$e" "$scratch_dir/events"
done
check "commits were told" grep -q '"commit"' "$scratch_dir/events"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: reading the configuration again would break
# connections of volumes that stay as they are, forget writes of those that go, or
# change something though the files are wrong.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

config_of() {
	begin_config 2
	cat >>"$scratch_dir/conf" <<END
[target site-b]
uri=nbd+unix:///?socket=$scratch_dir/{volume}.nbd
[type fast]
replication:interval=${interval-20ms}
replication:heartbeat=200ms
replication:stale_wait=100ms
replication:target=site-b
END
	for name in "$@"; do
		configure "$name"
	done
}
# reload WORDS: what it has changed
reload() {
	is "reload: $1" "$(replicactl config reload --json | jq -r '
		[(.added[] | "+" + .), (.changed[] | "~" + .),
		 (.removed[] | "-" + .), (.restart[] | "!" + .)] | sort |
		join(" ")')" "$1"
}
for name in a b c r; do
	make_volume $name
	start_target $name
done
config_of a b
start_daemon
check "a and b run" eval 'replica_equals a && replica_equals b'
check "r is enabled by its verb" \
	rpc-call enable '{"volume":"r","options":{"type":"fast"}}'
reload ""
shipped=$(field a bytes_shipped)
check "r runs" replica_equals r
interval=25ms
config_of a c
reload "+c -b ~r"
check "what came is replicated" replica_equals c
check "what changed goes on" replica_equals r
check "a had shipped something" test "$shipped" -gt 1048576
check "what stays was not touched" test "$(field a bytes_shipped)" -ge "$shipped"
sim-ctl write a 0 8192 3
check "and goes on" replica_equals a
is "what went is not there" "$(rpc-call status | jq -r '[.volumes[].name] |
	sort | join(" ")')" "a c r"
is "its target stays in the device" "$(sim-ctl get b plain)" 0
sim-ctl write b 4096 8192 5
config_of a b c
reload "+b"
check "what it missed is shipped when it is back" replica_equals b

echo 'intervall=1s' >>"$scratch_dir/conf"
refuses "a file that is wrong" 'nearest is "interval"' replicactl config reload
sed -i 's/^\[volume a\]/[volume d]/' "$scratch_dir/conf"
kill -HUP $daemon_pid
check "also by SIGHUP" wait_until 60 grep -q 'nothing was changed: .*intervall' \
	"$daemon_log"
check "changes nothing" eval 'replica_equals a && replica_equals r'
config_of a b c
sed -i 's/^reactors=.*/reactors=3/; /^\[volume c\]/,$d' "$scratch_dir/conf"
reload "!reactors -c"
kill -HUP $daemon_pid
check "SIGHUP with nothing to do" wait_until 60 \
	eval '[ "$(grep -c "was read again" "$daemon_log")" = 5 ]'
kill_daemon
start_daemon
check "a restart has the same" eval 'replica_equals a && replica_equals b &&
	replica_equals r'
stop_daemon
finish

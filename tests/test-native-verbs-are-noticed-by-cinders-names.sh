#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a controller would not learn that a verb has
# begun, or how it has ended; or the journal could not be asked for a volume.
# lab: timeout=120
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd replicactl jq unshare
requires_root

make_volume v 8
make_volume w 8
begin_config
printf '[pool p]\nmembers=v w\n' >>"$scratch_dir/conf"
start_target v
start_daemon
replicactl events --json >"$scratch_dir/events" 2>/dev/null &
cleanup_fn kill_pid $!
# notices: what was told of them since they were asked for last
notices() {
	sleep ${DMR_SLOW:-1}
	jq -r 'select(.kind == "notice") | .volume + ": " + .text' \
		"$scratch_dir/events" | tail -n +$((${seen:-0} + 1)) | cut -c 1-100
}
forget() {
	sleep ${DMR_SLOW:-1}
	seen=$(jq -r 'select(.kind == "notice") | .kind' "$scratch_dir/events" |
		wc -l)
}
wait_until 20 eval 'replicactl pause v >/dev/null 2>&1
	grep -q notice "$scratch_dir/events"' || bail "no events"
forget
check "enabled" replicactl enable v --target "$(uri_of v)"
is "  that has begun, and ended" "$(notices)" \
	"v: enable_replication.start volume
v: enable_replication.end volume"
forget
replicactl enable v --target "$(uri_of v)" --dry-run >/dev/null 2>&1
is "a dry run is none" "$(notices)" ""
refuses "what is refused" "" replicactl failover v --force
check "  is told with its reason" eval 'notices >"$scratch_dir/told"
	head -n 1 "$scratch_dir/told" | grep -qx "v: failover.start volume" &&
	tail -n 1 "$scratch_dir/told" | grep -q "^v: failover.error volume: .*v"'
forget
check "paused and resumed" eval 'replicactl pause v && replicactl resume v'
is "  are freeze and thaw" "$(notices | xargs)" "v: freeze.start volume v: \
freeze.end volume v: thaw.start volume v: thaw.end volume"
forget
check "a pool is disabled" replicactl disable --pool p
is "  as one" "$(notices | xargs)" "p: disable_replication.start pool p: \
disable_replication.end pool"
forget
replicactl failover --pool p --force --yes >/dev/null 2>&1
check "of many, an error is one" eval 'notices | tail -n 1 |
	grep -q "^p: failover.error pool: "'
forget
rpc-call pause '{}' >/dev/null 2>&1
is "what names nobody is none" "$(notices)" ""
rpc-call pause '{"volume": "\u001b[2Jx\n"}' >/dev/null 2>&1
check "nor is what it says for a terminal" eval '[ -z "$(tail -n 2 \
	"$scratch_dir/events" | grep u001b)" ] && notices | grep -q "^?.2Jx?: freeze"'
check "the log has it" grep -qx \
	"replicad: v: enable_replication.end volume" "$daemon_log"
stop_daemon

# The journal, of a machine of our own.
cat >"$scratch_dir/journal" <<-'END'
	mount -t tmpfs none /run && mkdir -p /run/systemd/journal || exit 77
	python3 - "$1" <<-PY &
	import socket, sys
	s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
	s.bind("/run/systemd/journal/socket")
	out = open(sys.argv[1], "wb", 0)
	while True:
	    out.write(s.recv(65536) + b"\n")
	PY
	for ((i = 0; i < 100; i++)); do
		[ -S /run/systemd/journal/socket ] && break
		sleep 0.3
	done
	JOURNAL_STREAM=1:1 exec replicad-sim --config "$2"
END
unshare -m bash "$scratch_dir/journal" "$scratch_dir/sent" "$scratch_dir/conf" \
	2>>"$daemon_log" &
daemon_pid=$!
cleanup_fn kill_pid $daemon_pid
wait_until 60 rpc-call status || bail "replicad does not answer"
check "enabled again" replicactl enable v --target "$(uri_of v)"
check "the journal has its fields" wait_until 20 grep -qx \
	"REPLICA_EVENT=enable_replication.end" "$scratch_dir/sent"
is "  all of them" "$(head -n 5 "$scratch_dir/sent")" \
	"MESSAGE=v: enable_replication.start volume
PRIORITY=6
SYSLOG_IDENTIFIER=replicad
REPLICA_EVENT=enable_replication.start
REPLICA_VOLUME=v"
refuses "a name with a line break" "" rpc-call pause '{"volume": "v\nPRIORITY=0"}'
check "  is told" wait_until 20 grep -qx "REPLICA_EVENT=freeze.error" \
	"$scratch_dir/sent"
check "  makes no field of its own" eval '! grep -qx "PRIORITY=0" \
	"$scratch_dir/sent"'
pkill -f "$scratch_dir/sent" 2>/dev/null
stop_daemon
is "a clean stop" $? 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, an operator would not see, or not be told in time, how
# replication is doing and what to do next.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"

# volume NAME STATE [MORE]
volume() {
	printf '{"name":"%s","state":"%s","device":"%s","group":null,
	"target":"nbd://b/%s","reason":"%s","next_step":"%s","epoch":0,
	"last_committed":41,"lag_s":0.25,"synced":true,"dirty_bytes":1048576,"lag_bytes":1048576,
	"size_bytes":1073741824,"rate_bytes_s":5242880.0,
	"sync_total_bytes":1073741824,"sync_done_bytes":536870912,"eta_s":102,
	"replica_consistent":true,"applying":false%s}' \
		"$1" "$2" "$1" "$1" "${4-}" "${5-}" "${3-}"
}
status() {
	printf '{"result":{"schema_version":1,"verdict":"%s","daemon":{"pid":1,
	"uptime_s":5,"version":"0"},"volumes":[%s]}}' "$1" "$2"
}

echo '{}' >"$answers"
start_fake
says status "$(status ok "$(volume v1 replicating),$(volume v2 replicating)")"
ctl 0 status
out_has '^All 2 volumes are replicated; the replicas are at most 0\.2 s, together 2\.0 MiB behind'
out_has '^VOLUME +STATE +LAG '
out_has '^v2 +replicating +0\.2 s +consistent +41 +1\.0 MiB +5\.0 MiB/s'
is "no escape codes in a pipe" "$(grep -c $'\033' "$out")" 0
sent '"volume" not in d["params"] and d["jsonrpc"] == "2.0"'
ctl 0 status --check
ctl 0 status --json
json 'd["schema_version"] == 1 and len(d["volumes"]) == 2'
ctl 0 status v1 --names
out_has '^v1$'
sent 'd["params"]["volume"] == "v1"'

says status "$(status degraded "$(volume v1 syncing ',"synced":false,
	"replica_consistent":false' "the first copy is being made" "wait")")"
ctl 0 status
out_has '^1 of 1 volumes is not up to date'
out_has '^v1 +syncing .*none yet'
out_has '\[############\.{12}\]  50 %  512 MiB of 1\.0 GiB  5\.0 MiB/s  1 min 42 s left'
out_has '^v1: syncing: the first copy is being made'
out_has '^    next: wait'
ctl 4 status --check

says status "$(status ok "$(volume v1 replicating ',"verify":{"running":true,
	"total_bytes":1073741824,"done_bytes":268435456,"differing_bytes":8192}')")"
ctl 0 status
out_has '\[#{6}\.{18}\]  25 %  verifying: 256 MiB of 1\.0 GiB, 8\.0 KiB differ'
says status "$(status ok "$(volume v1 replicating ',"comparing":true,
	"bytes_compared":1048576,"bytes_equal":524288,"verify":{"running":false}')")"
ctl 0 status
out_has '^v1: comparing before it sends: 1\.0 MiB compared, 512 KiB were equal'
is "what is over is not told" "$(grep -c verifying "$out")" 0

says status "$(status degraded "$(volume v1 replicating \
	',"persistence":"failed"' "the metadata device has failed" "mend it")")"
ctl 4 status --check
out_has '^All is replicated, but the metadata device of 1 of 1 volumes has failed'
out_has '^v1: replicating: the metadata device has failed'
out_has '^    next: mend it'
says status "$(status ok "$(volume v1 replicating ',"persistence":"none"')")"
ctl 0 status --check
out_has '^v1: no persistence'

says status "$(status error '{"name":"v1","state":"error","lag_s":null,
	"reason":"no such device","next_step":"make one"}')"
ctl 4 status --check
out_has '^v1 +error +never '
out_has 'next: make one'
says status "$(status ok '')"
ctl 0 status
out_has '^No volume is replicated'
out_has 'replicactl enable'

says status '{"error":{"code":-32003,"message":"there is no volume x",
	"data":{"exit":3}}}'
ctl 3 status x
err_has '^replicactl: there is no volume x$'
ctl 3 status x --json
json 'd["error"] == {"message": "there is no volume x", "exit": 3}'

says status "$(status ok "$(volume v1 replicating)")"
check "colour on a terminal" bash -c \
	"TERM=xterm script -qc 'replicactl status' /dev/null | grep -q $'\033'"
check "none with NO_COLOR" bash -c "TERM=xterm NO_COLOR=1 \
	script -qc 'replicactl status' /dev/null | { ! grep -q $'\033'; }"
replicactl status --watch=0.3s >"$out" 2>&1 &
watcher=$!
repeats() {
	[ "$(grep -c '^VOLUME' "$out")" -ge 2 ]
}
check "--watch repeats" wait_until 60 repeats
kill $watcher
wait $watcher 2>/dev/null
ctl 2 status --watch=soon
err_has '--watch=soon is not a time'
finish

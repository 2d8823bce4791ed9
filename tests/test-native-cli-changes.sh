#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, replicactl would ask replicad for something else than the
# operator has typed, or take its refusal for a success.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"

echo '{}' >"$answers"
start_fake
says enable '{"result":{}}'
ctl 0 enable vol --target nbd://b/vol --device=/dev/vg/vol --group g \
	--spool-size 2GiB --interval 1s --unsafe --metadata /dev/vg/meta
sent 'd["params"]["volume"] == "vol" and d["params"]["group"] == "g"'
sent 'd["params"]["target"] == "nbd://b/vol"'
sent 'd["params"]["device"] == "/dev/vg/vol"'
sent 'd["params"]["options"]["spool_size"] == "2GiB"'
sent 'd["params"]["options"]["interval"] == "1s"'
sent 'd["params"]["options"]["unsafe"] == "yes"'
sent 'd["params"]["options"]["metadata"] == "/dev/vg/meta"'
ctl 0 enable vol --json
json 'd["ok"] is True and d["schema_version"] == 1'
sent 'd["params"] == {"volume": "vol", "options": {}}'
# The names that Cinder's client had
for verb in enable disable failover; do
	says $verb '{"result": {}}'
	ctl 0 replication-$verb vol $([ $verb != failover ] || echo --force --yes)
	sent "d['method'] == '$verb' and d['params']['volume'] == 'vol'"
done
says targets '{"result": {"targets": []}}'
ctl 0 replication-list-targets vol
sent 'd["method"] == "targets" and d["params"] == {"volume": "vol"}'
for verb in disable pause resume; do
	says $verb '{"result":null}'
	ctl 0 $verb vol
	sent "d['method'] == '$verb' and d['params'] == {'volume': 'vol'}"
	ctl 2 $verb
	err_has "$verb needs VOLUME"
	ctl 2 $verb vol another
done
echo '{"resync": {"result": null}, "status": {"result": {"volumes": [
	{"name": "vol", "rolled_back": false}]}}}' >"$answers"
ctl 0 resync vol
sent 'd["method"] == "resync" and d["params"] == {"volume": "vol", "full": False}'
ctl 0 resync vol --full
sent 'd["params"]["full"] is True'
for option in '' repair stop; do
	says verify '{"result":null}'
	ctl 0 verify vol --background ${option:+--$option}
	sent 'd["method"] == "verify" and d["params"]["volume"] == "vol"'
	sent "list(d['params']) == ['volume'] + '$option'.split()"
done
# What verify finds: SAYS BYTES REPAIRED ERROR
finds() {
	cat >"$answers" <<-END
	{"verify": {"result": null}, "status": {"result": {"volumes": [{
	"name": "vol", "verify": {"running": false, "total_bytes": 9000,
	"done_bytes": 9000, "compared_bytes": 9000, "differing_bytes": $1,
	"differing_extents": 1, "moving_bytes": 4096, "repaired_bytes": $2,
	"error": $3, "extents": [{"offset": 8192, "length": $1}]}}]}}}
	END
}
finds 0 0 null
ctl 0 verify vol
out_has 'compared, 0 B differ\.'
out_has '4.0 KiB were being written'
finds 512 0 null
ctl 4 verify vol
out_has '512 bytes at 8192'
out_has 'verify --repair'
ctl 4 verify vol --json
json 'd["schema_version"] == 1 and d["extents"] == [{"offset": 8192, "length": 512}]'
finds 512 512 null
ctl 0 verify vol --repair
out_has 'sent again'
finds 0 0 '"the link was cut"'
ctl 1 verify vol
err_has 'ended early: the link was cut'
echo '{"verify": {"result": null}, "status": {"result": {"volumes": [
	{"name": "vol", "verify": null}]}}}' >"$answers"
ctl 1 verify vol
err_has 'forgotten'

says enable '{"error":{"code":-32005,"message":"vol: it is suspended",
	"data":{"exit":5}}}'
ctl 5 enable vol
err_has 'vol: it is suspended'
says enable '{"error":{"code":-32007,"message":"no","data":{"exit":7}}}'
ctl 7 enable vol
says enable '{"error":{"code":1,"message":"strange","data":{"exit":0}}}'
ctl 1 enable vol
says enable '{"error":{}}'
ctl 1 enable vol
err_has 'without a reason'
says enable '{"raw":"this is not JSON\n"}'
ctl 1 enable vol
err_has 'not JSON-RPC'
says enable '{"raw":"[1]\n"}'
ctl 1 enable vol
says enable '{"hangup":true}'
ctl 1 enable vol
err_has 'closed the connection'
says enable '{"silence":true}'
ctl 6 enable vol --timeout 0.3s
err_has 'in time'

says events '{"result":{},"notify":[
	{"time":1.5,"volume":"a","kind":"state","text":"syncing"},
	{"time":2.5,"volume":"b","kind":"epoch","epoch":7}]}'
ctl 1 events
out_has '\.500  a +state +syncing'
out_has '\.500  b +epoch +epoch=7'
ctl 1 events b --json
is "one line for each event" "$(grep -c '"kind"' "$out")" 1
check "with a schema" grep -q '"schema_version":1' "$out"

# In the grammar of drbdsetup events2: what there is, a mark, what changes.
cat >"$answers" <<END
{"status": {"result": {"volumes": [
	{"name": "a", "group": "g", "state": "replicating", "last_committed": 41,
	 "synced": true, "replica_consistent": true, "suspect": false},
	{"name": "b", "state": "error", "synced": false}]}},
 "events": {"result": {}, "notify": [
	{"time": 1.5, "volume": "a", "kind": "state", "text": "catching-up: it is so"},
	{"time": 2.5, "volume": "g", "kind": "commit", "text": "epoch 42"},
	{"time": 2.6, "volume": "g", "kind": "abort", "text": "epoch 43: no link"},
	{"time": 3.5, "volume": "c", "kind": "state", "text": "connecting"},
	{"time": 4.5, "volume": "c", "kind": "verify", "text": "ended"},
	{"time": 5.5, "volume": "c", "kind": "state",
	 "text": "disabled: replication is off"},
	{"time": 6.5, "volume": "a", "kind": "state", "text": "disabled"},
	{"time": 7.5, "volume": "b", "kind": "state", "text": "disabled-ish"}]}}
END
ctl 1 events --events2
is "events2" "$(cat "$out")" \
"exists volume name:a group:g state:replicating epoch:41 synced:yes consistent:yes suspect:no
exists volume name:b state:error synced:no
exists -
change volume name:a state:catching-up
change group name:g epoch:42
change group name:g aborted:43
create volume name:c state:connecting
change volume name:c event:verify
destroy volume name:c
destroy volume name:a
change volume name:b state:disabled-ish"
ctl 1 events a --events2 --timestamps
out_has '^[0-9T:.-]+\+00:00 exists volume name:a '
out_has '^1970-01-01T00:00:01\.500000\+00:00 change volume name:a '
is "of one volume only" "$(grep -c 'name:[bcg]' "$out")" 0
ctl 0 events --events2 --now
is "what there is, then the end" "$(tail -n 1 "$out")" "exists -"
ctl 2 events --now
ctl 2 events --events2 --json
finish

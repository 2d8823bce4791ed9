#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who only asks what enable, disable, create, clone
# or extend would do would have it done, or hear of no refusal.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

folder=$scratch_dir/volumes
mkdir "$folder"
for name in a f; do
	make_volume $name 2
	truncate -s 4M "$scratch_dir/$name.target"
done
begin_config
cat >>"$scratch_dir/conf" <<END
[backend east]
driver=file
folder=$folder
[backend lost]
driver=file
folder=$scratch_dir/nowhere
[type t]
replication_enabled=<is> True
[target one]
uri=local:$scratch_dir/{volume}.target
for=east
[volume f]
target=local:$scratch_dir/f.target
END

# All that could change
all() {
	find "$folder" -type f -printf '%P %s\n' | sort
	cat "$state_dir"/volumes.conf "$state_dir"/disabled* 2>/dev/null
	ls "$state_dir" "$state_dir"/made 2>/dev/null
	rpc-call status | jq -c '[.volumes[] | [.name, .target, .size_bytes]] | sort'
	for name in a f; do sim-ctl get $name plain; done
}
dry() {
	"$@" --dry-run >"$scratch_dir/said" 2>&1
}
# would DESCRIPTION SENTENCE COMMAND...: dry, and nothing has changed
would() {
	local before
	before=$(all)
	check "$1" dry "${@:3}"
	check "  in words" grep -qE "$2" "$scratch_dir/said"
	is "  and nothing has changed" "$(all)" "$before"
}
# would_not DESCRIPTION SENTENCE STATUS COMMAND...
would_not() {
	local before status=0
	before=$(all)
	dry "${@:4}" || status=$?
	is "$1" $status "$3"
	check "  and why" grep -qE "$2" "$scratch_dir/said"
	is "  and nothing has changed" "$(all)" "$before"
}

start_daemon
wait_settled f 60 || bail "f does not ship"

would "enable" "^a would be replicated to local:.*/a.target" \
	replicactl enable a --target "local:$scratch_dir/a.target"
would_not "one that is replicated" "enabled already" 5 \
	replicactl enable f
would_not "a device that is not there" "nothere" 3 \
	replicactl enable nothere --target "local:$scratch_dir/a.target"
would_not "a target in clear text" "tls" 2 \
	replicactl enable a --target "nbd://127.0.0.1:1/x"
would "what it would overwrite is not asked for" "would be replicated" \
	replicactl enable a --target "local:$scratch_dir/a.target" --overwrite
would "enable of many" "^f is replicated already" replicactl enable --host
would "disable" "^f would no longer be replicated" replicactl disable f
is "  as an object, too" "$(replicactl disable f --dry-run --json |
	jq -r '.dry_run, .volume' | xargs)" "true f"
would "disable of many" "^f would no longer be replicated" \
	replicactl disable --host
would_not "one that is not" "there is no volume a" 3 replicactl disable a

would "create" "^v would be made, with 8.* on $folder.*east.*not replicated" \
	replicactl create v --size 8MiB
would "one that would be replicated" "replicated to local:.*/v.target" \
	replicactl create v --size 8MiB --type t
would_not "a name that there is" "of the files already" 5 \
	replicactl create f --size 8MiB --backend east
would_not "no such backend" "there is no .backend west" 5 \
	replicactl create v --size 8MiB --backend west
would_not "a backend that is not there" "$scratch_dir/nowhere" 3 \
	replicactl create v --size 8MiB --backend lost
would_not "what says nothing" "want the name" 2 replicactl create
replicactl create v --size 8MiB >/dev/null || bail "no v"
would_not "a second one" "is there already" 5 replicactl create v --size 8MiB
would "clone" "^w would be made, with 8" replicactl clone v w
would_not "of one that there is not" "was not made here" 3 replicactl clone x w
would_not "of a snapshot that there is not" "has no snapshot" 3 \
	replicactl clone v w --from s
would "extend" "^v would grow from 8.* to 16" replicactl extend v --size 16MiB
would_not "smaller" "larger already" 5 replicactl extend v --size 4MiB
would_not "what the origin has more" "dry-run is of --size" 2 replicactl extend v

is "then they do it: enable" "$(replicactl enable a \
	--target "local:$scratch_dir/a.target" >/dev/null; wait_settled a 60; echo $?)" 0
check "  extend" eval 'replicactl extend v --size 16MiB | grep -q "has grown"'
check "  disable" replicactl disable --host
is "  and nothing is replicated" "$(rpc-call status | jq '.volumes | length')" 0
stop_daemon
is "it stops cleanly" $? 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: with a bare dmsetup one could do less than the
# manual says, or what is refused elsewhere.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
requires_cmd replicactl jq

mib=1048576
folder=$scratch_dir/volumes
mkdir "$folder"
begin_config
cat >>"$scratch_dir/conf" <<END
[backend east]
driver=file
folder=$folder
[target site-b]
uri=$(uri_of '{volume}')
for=east
[type gold]
replication_enabled=<is> True
replication:interval=20ms
[type silver]
replication_enabled=<is> True
replication:interval=50ms
END
# says VERB WORDS: the last outcome of that verb
says() {
	grep "request $1: " "$daemon_log" | tail -n 1 | grep -q -- "$2"
}
# asks WORDS OUTCOME: what comes of it is in the log
asks() {
	local verb=${1%% *} before
	before=$(grep -c "request $verb: " "$daemon_log")
	sim-ctl request db "$1"
	wait_until 60 eval '[ "$(grep -c "request $verb: " "$daemon_log")" -gt \
		$before ]' && says "$verb" "$2"
}
start_target db
start_daemon
check "a volume that was made here" replicactl create db --size 8MiB --type gold
check "  it is replicated" wait_settled db

check "snapshot" asks "snapshot mon" ": done$"
check "  it is there" eval 'replicactl snapshot db | grep -q mon'
check "  a second one of that name is refused" asks "snapshot mon" \
	"has a snapshot of that name"
check "  one without a name is refused" asks snapshot "name is missing"
check "clone" asks "clone db2" ": done$"
is "  it is there" "$(of db2 step)" ready
truncate -s $((13 * mib)) "$scratch_dir/db.target"
check "extend" asks "extend $((12 * mib))" ": done$"
is "  it is larger" "$(field db size_bytes)" $((12 * mib))
check "  what is no number is refused" asks "extend 1x" "1x is not a number"
check "  nor does it shrink" asks "extend $mib" "is larger already"
is "  it is as large as it was" "$(field db size_bytes)" $((12 * mib))
check "set-type" asks "set-type silver" ": done$"
check "  it has that type" grep -qx "type=silver" "$state_dir/volumes.conf"
check "  one that is not there is named" asks "set-type lead" "lead"
check "target add" asks "target add site-c uri=$(uri_of c) for=east" ": done$"
check "target set" asks "target set site-c enabled=no" ": done$"
is "  it is changed" "$(replicactl targets --json |
	jq -c '.targets[] | select(.id == "site-c") | .enabled')" false
check "target use" asks "target use site-b" ": done$"
check "  it prefers that" grep -qx "prefer=site-b" "$state_dir/volumes.conf"
check "target remove" asks "target remove site-c" ": done$"
is "  it is gone" "$(replicactl targets --names)" site-b
check "what is not UTF-8 is refused" asks $'target set site-b tls=\xff' \
	"not UTF-8"
check "target without a word says what there is" asks target \
	"there are pause, .*, set-type, target$"
check "what is not KEY=VALUE is named" asks "target set site-b uri" \
	"uri is not KEY=VALUE"
check "what is in clear is refused, as ever" asks \
	"enable nbd://127.0.0.1:1/db" "would be sent in clear"
check "failover, forced: not here" asks "failover force" "planned is missing"
check "  nor is what drops data" asks "delete db" "there is no such request"
is "  it is all there" "$(of db step) $(field db state)" "ready replicating"

# The manual and the refusal name the same verbs.
verbs=$(grep -o "there are pause, .*" "$daemon_log" | tail -n 1 |
	sed 's/there are //; s/, /\n/g' | sort)
manual=$(sed -n '/^=item B<request> /,/^=back/p' \
	"$(dirname "$0")/../Documentation/man/dm-replica.4.pod" |
	sed -n 's/^ \([a-z-]*\).*/\1/p' | sort -u)
is "the manual has these, and no other" "$manual" "$verbs"
stop_daemon
is "it stops cleanly" $? 0
finish

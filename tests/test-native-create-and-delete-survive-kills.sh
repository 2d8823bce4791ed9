#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: who dies while a volume is made would leave
# files that nobody knows of; or while it is deleted, half a volume.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd replicactl jq

folder=$scratch_dir/volumes
mkdir "$folder"
begin_config
cat >>"$scratch_dir/conf" <<END
[backend east]
driver=file
folder=$folder
END
start_target v
create() {
	replicactl create v --size 8MiB "$@"
}
delete() {
	replicactl delete v --yes "$@"
}
step() {
	replicactl create --json | jq -r '[.volumes[] | .step] | join(" ")'
}
files() {
	find "$folder" -type f | wc -l
}
# dies_at STEP COMMAND...: replicad, in the middle of it; a new one comes
dies_at() {
	SIM_DIE_AT=$1 start_daemon
	"${@:2}" >/dev/null 2>&1
	wait $daemon_pid
	is "dies at \"$1\"" $? 137
	left="$(files) $(jq -r .step "$state_dir/made/v.json" 2>/dev/null)"
	start_daemon
}
settled_to() {
	wait_until 60 eval "[ \"\$(step) \$(files)\" = \"$1\" ]"
}

# --- making ---------------------------------------------------------------------
for i in making created; do
	dies_at $i create
	is "  the record is there" "${left#* }" making
	check "  the next one undoes it" settled_to " 0"
	stop_daemon
	dies_at $i create --target "$(uri_of v)"
	check "  also where it was to be replicated" settled_to " 0"
	check "  it is not" eval '! rpc-call get v state'
	stop_daemon
done
is "  there were files then" "${left%% *}" 2
dies_at settling create --target "$(uri_of v)"
is "  it was replicated already" "$left" "2 making"
check "  then it stays" settled_to "ready 2"
check "  and is replicated" wait_settled v
check "  and is the volume" same_image v

# --- deleting -------------------------------------------------------------------
stop_daemon
dies_at deleting delete --disable
check "what is to go, goes" settled_to " 0"
check "  its identity, too" test ! -e "$state_dir/v.id"
check "another of its name" create
stop_daemon
dies_at destroyed delete
is "  nothing was left but the record" "$left" "0 deleting"
check "  that goes, too" settled_to " 0"

# --- what cannot be saved ----------------------------------------------------------
# another_target: one that knows no volume yet
another_target() {
	rm "$scratch_dir/v.target"
	kill_pid $target_pid
	start_target v
}
mkdir "$state_dir/volumes.conf.new"
refuses "that it is replicated cannot be saved" "volumes.conf: .*taken back$" \
	create --target "$(uri_of v)"
is "  then it is not there" "$(step) $(files)" " 0"
check "  nor replicated" eval '! rpc-call get v state'
rmdir "$state_dir/volumes.conf.new"
stop_daemon
# settles_badly: it is replicated, and its record cannot be written any more
settles_badly() {
	another_target
	rm -f "$scratch_dir/reached"
	SIM_HOLD_AT=settling start_daemon
	touch "$scratch_dir/hold"
	create --target "$(uri_of v)" >"$scratch_dir/said" 2>&1 &
	creator=$!
	wait_until 60 test -e "$scratch_dir/reached"
	mkdir "$state_dir/made/v.json.new"
	"$@"
	rm "$scratch_dir/hold" "$scratch_dir/reached"
	wait $creator
}
settles_badly true
is "its record cannot be saved: it is refused" $? 1
check "  that is said" grep -q "so it was taken back$" "$scratch_dir/said"
check "  it is not replicated" eval '! rpc-call get v state'
is "  and undone at once (V10)" "$(step) $(files)" " 0"
rmdir "$state_dir/made/v.json.new"
stop_daemon
start_daemon
check "  also for the next one" settled_to " 0"
stop_daemon
settles_badly sim-ctl meta v use
is "in use by then: it is refused" $? 1
check "  that it is there still is said" grep -q "not be undone: .*replicated" \
	"$scratch_dir/said"
check "  and it is so" wait_settled v
is "  with what is made of it" "$(step) $(files)" "making 2"
sim-ctl meta v leave
refuses "  what cannot be saved is not disabled" "record of v" replicactl disable v
check "  it is replicated still" wait_settled v
rmdir "$state_dir/made/v.json.new"
check "  then it is disabled" replicactl disable v
is "  what it is made of is kept" "$(step) $(files)" "ready 2"
stop_daemon
start_daemon
check "  also by the next one" settled_to "ready 2"
check "  until it is deleted" delete
stop_daemon
settles_badly sim-ctl meta v use
is "another one that is not saved" "$(step) $(files)" "making 2"
sim-ctl meta v leave
cp "$scratch_dir/conf" "$scratch_dir/conf.before"
made=$(replicactl create --json | jq '.volumes[0]')
configure v "origin=$(jq -r .base <<<"$made")" \
	"metadata=$(jq -r .metadata <<<"$made")"
check "  a file has it" replicactl config reload
check "  it is replicated still" wait_settled v
cp "$scratch_dir/conf.before" "$scratch_dir/conf"
: >"$state_dir/volumes.conf"
refuses "  it is no more of the files, but cannot be saved" "record of v" \
	replicactl config reload
check "  it is replicated still" wait_settled v
rmdir "$state_dir/made/v.json.new"
check "  now it can" replicactl config reload
is "  what it is made of is kept" "$(step) $(files)" "ready 2"
check "  and is not replicated" eval '! rpc-call get v state'
check "  until it is deleted" delete

# --- what cannot be read, and what cannot be undone --------------------------------
check "a volume" create
base=$(replicactl create --json | jq -r '.volumes[0].base')
cp "$state_dir/made/v.json" "$scratch_dir/record"
stop_daemon
sed -i 's/"step": "ready"/"step": "lost"/' "$state_dir/made/v.json"
start_daemon
is "a damaged record: it is told" "$(replicactl create --json |
	jq -r '.volumes[0].error')" "the record of v: it is damaged"
refuses "  and there is no new one" "there already" create
refuses "  nor is it deleted" "damaged" delete
check "  its data are there" test -e "$base"
stop_daemon
sed 's/"step": "ready"/"step": "deleting"/' "$scratch_dir/record" \
	>"$state_dir/made/v.json"
mv "$folder" "$folder.away"
start_daemon
check "its folder is not there: that is told" wait_until 60 grep -q \
	"has not ended: .*volumes" "$daemon_log"
refuses "  it is not enabled" "being made, or deleted" replicactl enable v \
	--target "$(uri_of v)"
is "  it is known" "$(step)" deleting
mkdir "$folder"
refuses "another folder has its name, as where a filesystem is not mounted" \
	"folder=.*/volumes is not the one in which it was made" delete
stop_daemon
start_daemon
is "  it is known, also by the next one" "$(step)" deleting
rmdir "$folder"
mv "$folder.away" "$folder"
check "when it is back, it goes" delete
is "  all of it" "$(step) $(files)" " 0"
check "a volume" create
rm "$folder"/*
check "whose files somebody else removed: its record goes" delete
is "  all of it" "$(step) $(files)" " 0"
stop_daemon
is "a clean stop" $? 0
finish

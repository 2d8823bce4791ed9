#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a snapshot would not be what the volume was, or
# would be lost, or left over where nobody knows of it; or one would be taken of a
# volume that somebody writes to meanwhile.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd replicactl jq

mib=1048576
folder=$scratch_dir/volumes
mkdir "$folder"
begin_config
cat >>"$scratch_dir/conf" <<END
[backend east]
driver=file
folder=$folder
[backend others]
driver=dm
END
snapshot() {
	replicactl snapshot v "$@"
}
drop() {
	snapshot --drop "$@" --yes
}
# of NAME FIELD: of a snapshot
of() {
	snapshot --json | jq -r --arg n "$1" \
		".snapshots[] | select(.name == \$n) | .$2"
}
names() {
	snapshot --names | xargs
}
files() {
	find "$folder" -name '*.snap' | wc -l
}
base() {
	replicactl create --json | jq -r '.volumes[] | select(.volume == "v").base'
}
# changes SEED: the volume gets other data in the same place, not replicated
changes() {
	yes "$1" | head -c $mib | dd of="$(base)" bs=64k seek=16 conv=notrunc \
		status=none
}
start_reflinking() {
	FAKE_REFLINK_LOG=$scratch_dir/reflinks \
		LD_PRELOAD=$top_dir/build/tests/fake-reflink.so start_daemon
}

# --- without reflinks: of what nobody has open ------------------------------------
start_daemon
check "a volume" replicactl create v --size 8MiB
changes one
cp "$(base)" "$scratch_dir/one"
check "a snapshot of it" snapshot first
is "  it is known" "$(names) $(of first step) $(of first size_bytes)" \
	"first ready $((8 * mib))"
changes two
check "  it is as the volume was" cmp "$(of first path)" "$scratch_dir/one"
is "  holes are holes" $(($(du -k "$(of first path)" | cut -f 1) < 4096)) 1
check "another one" snapshot second
check "  it is as the volume is" cmp "$(of second path)" "$(base)"
check "  the first is as it was" cmp "$(of first path)" "$scratch_dir/one"
is "  in the order in which they were taken" "$(names)" "first second"
check "  they are listed" eval 'snapshot >"$scratch_dir/told" &&
	grep -qE "^first: 8.0 MiB of 2[0-9-]* [0-9:]*, on $(of first path)$" \
		"$scratch_dir/told"'
exec 9<"$(base)"
refuses "somebody has it open: it would be torn" "in use.*no reflinks" snapshot third
exec 9<&-
is "  nothing is left of it" "$(names) $(files)" "first second 2"

# --- refused ------------------------------------------------------------------------
refuses "a name that is taken" "has a snapshot of that name" snapshot first
refuses "no name" "name of a snapshot" snapshot a/b
refuses "of what was not made here" "not made here" replicactl snapshot x y
refuses "none of those either" "not made here" replicactl snapshot x
refuses "none that there is" "no snapshot of that name" drop third
refuses "not without a yes" "--yes" snapshot --drop first </dev/null
refuses "two things at once" "of VOLUME only" snapshot third --drop first
refuses "a volume that has snapshots is not deleted" "has snapshots" \
	replicactl delete v --yes
is "  it is there" "$(names) $(test -e "$(base)" && echo base)" "first second base"
is "what a backend can do is known" "$(replicactl capabilities --json --config \
	"$scratch_dir/conf" | jq -c '[.backends[].snapshot]')" "[true,false]"
exec 9<"$(of first path)"
refuses "one that somebody reads" "in use" drop first
exec 9<&-
is "  that is forgotten" "$(of first step)" ready
mv "$folder" "$folder.away"
mkdir "$folder"
refuses "its folder is not mounted: it has not gone" "not the one in which" drop first
rmdir "$folder"
mv "$folder.away" "$folder"
is "  it is known" "$(of first step) $(files)" "ready 2"
stop_daemon
start_daemon
is "all of it is known by the next one" "$(names) $(files)" "first second 2"

# --- killed -------------------------------------------------------------------------
# dies_at STEP COMMAND...: replicad, in the middle of it; a new one comes
dies_at() {
	stop_daemon
	SIM_DIE_AT=$1 start_daemon
	"${@:2}" >/dev/null 2>&1
	wait $daemon_pid
	is "dies at \"$1\"" $? 137
	left="$(files) $(jq -r '.snapshots[-1] | .name + " " + .step' \
		"$state_dir/made/v.json")"
	start_daemon
}
known() {
	[ "$(names) $(files)" = "$1" ]
}
dies_at snapping snapshot third
is "  it is in the record" "$left" "2 third making"
check "  the next one forgets it" wait_until 60 known "first second 2"
dies_at snapped snapshot third
is "  it was there" "$left" "3 third making"
check "  the next one removes it" wait_until 60 known "first second 2"
dies_at dropping drop second
is "  it was there" "$left" "2 second deleting"
check "  it goes" wait_until 60 known "first 1"
check "another" snapshot second
dies_at dropped drop second
is "  only the record was there" "$left" "1 second deleting"
check "  it goes" wait_until 60 known "first 1"

# --- what cannot be undone ------------------------------------------------------------
stop_daemon
rm -f "$scratch_dir/reached"
SIM_HOLD_AT=snapped start_daemon
touch "$scratch_dir/hold"
snapshot third >"$scratch_dir/said" 2>&1 &
taker=$!
wait_until 60 test -e "$scratch_dir/reached"
mkdir "$state_dir/made/v.json.new"
rm "$scratch_dir/hold" "$scratch_dir/reached"
wait $taker
is "that it is there cannot be saved: it is refused" $? 1
is "  it is not said to be there" "$(of third step)" making
is "  nor is there anything of it but its name" "$(files)" 1
refuses "  and is not taken again" "Is a directory" snapshot third
rmdir "$state_dir/made/v.json.new"
check "  now it can be taken" snapshot third
check "  once" known "first third 2"
check "  and dropped" drop third
check "  all of it" known "first 1"

# --- of one that is in use ------------------------------------------------------------
stop_daemon
start_reflinking
start_target v
check "it is replicated" replicactl enable v --target "$(uri_of v)"
check "  it is" wait_settled v
sim-ctl write v 0 $((4 * mib))
cp "$(base)" "$scratch_dir/three"
exec 9<"$(base)"
check "a snapshot while it is in use" snapshot live
exec 9<&-
is "  it is a reflink" "$(cat "$scratch_dir/reflinks")" reflink
sim-ctl write v $((4 * mib)) $mib
check "  it is as the volume was" cmp "$(of live path)" "$scratch_dir/three"
check "  and that has changed" eval '! cmp -s "$(base)" "$scratch_dir/three"'
refuses "with it, it is not even disabled" "has snapshots" replicactl delete v \
	--disable --yes
check "  it is replicated" wait_settled v
check "they are dropped" eval 'drop live && drop first'
check "  all of them" known " 0"
check "then it is deleted" replicactl delete v --disable --yes
is "  all of it" "$(find "$folder" -type f | wc -l)" 0
stop_daemon
is "a clean stop" $? 0
finish

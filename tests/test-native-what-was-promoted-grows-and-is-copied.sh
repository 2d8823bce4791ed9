#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: after a failover nobody could make the volume
# larger, or take a snapshot or a clone of it, where it is; or it would be smaller
# again after a reboot; or a copy would be taken of what is a replica again.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-route.sh"

mib=1048576
base=$site_b/a.base
# record FIELD: of its failover at B
record() {
	jq -r ".$1" "$site_b/state/promotions/a.json"
}
# made FIELD [VOLUME]: of what B has made
made() {
	b replicactl create --json | jq -r --arg v "${2-a}" \
		".volumes[] | select(.volume == \$v) | .$1"
}
names() {
	b replicactl snapshot a --names | xargs
}
# of NAME FIELD: of a snapshot
of() {
	b replicactl snapshot a --json | jq -r --arg n "$1" \
		".snapshots[] | select(.name == \$n) | .$2"
}
need() {
	replicactl kernel meta-size $(($1 * 2048)) --json | jq .meta_bytes
}
# has_grown MIB: its base, its device, the record
has_grown() {
	is "  its base" "$(stat -c %s "$base")" $(($1 * mib))
	is "  its device" "$(b sim-ctl get a sectors)" $(($1 * 2048))
	is "  it is known to have" "$(record bytes)" $(($1 * mib))
	check "  its metadata have room for it" test \
		"$(stat -c %s "$stage_dir/a.meta")" -ge "$(need "$1")"
}
in_stage() {
	find "$site_b" -maxdepth 1 -type f \( -name 'a-*' -o -name 'c-*' -o \
		-name 'd-*' -o -name 'e-*' \) | wc -l
}
b_settled() {
	[ "$(b rpc-call get a state)" = replicating ] &&
		[ "$(b rpc-call get a dirty_bytes)" = 0 ] &&
		[ "$(b rpc-call get a epoch)" = 0 ]
}

b_options=$'[type gold]\nreplication_enabled=<is> False
[type fast]\nreplication:interval=20ms\nreplication:heartbeat=200ms
[type slow]\nreplication:interval=30s\nreplication:heartbeat=200ms'
replicate_pair
make_epoch 11 0
is "a replica has no snapshots" "$(status_of b replicactl snapshot a --names)" 3
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
is "what was promoted has none yet" "$(names)" ""

# --- it grows ------------------------------------------------------------------------
refuses "not without a larger base" "no more than $((native_mib * mib))" \
	b replicactl extend a
check "what it would be" eval 'b replicactl extend a --size 300MiB --dry-run |
	grep -q "would grow from 8.0 MiB to 300 MiB"'
is "  is nothing yet" "$(stat -c %s "$base") $(ls "$site_b/state/made" 2>/dev/null)" \
	"$((native_mib * mib)) "
check "it grows" b replicactl extend a --size 300MiB
has_grown 300
is "  no record is left of that" "$(ls "$site_b/state/made")" ""
refuses "not to a smaller size" "not made smaller" b replicactl extend a --size 8MiB
refuses "nor to the same" "no more than" b replicactl extend a --size 300MiB
truncate -s 310M "$base"
check "what somebody else has made larger is taken up" b replicactl extend a
has_grown 310

grow=320
for step in growing grown extended; do
	b_stops_cleanly
	SIM_DIE_AT=$step start_b
	wait_until 60 failed_over || bail "it is not active again"
	b replicactl extend a --size ${grow}MiB >/dev/null 2>&1
	wait $b_pid
	is "dies at \"$step\"" $? 137
	start_b
	wait_until 60 failed_over || bail "it is not active again"
	check "  the next one has its base as large" wait_until 60 eval \
		'[ "$(stat -c %s "$base")" = $((grow * mib)) ]'
	check "  and no record of that" wait_until 60 eval \
		'[ -z "$(ls "$site_b/state/made")" ]'
	b replicactl extend a >/dev/null 2>&1
	has_grown $grow
	grow=$((grow + 10))
done

# As after a boot: its device is made anew.
b_stops_cleanly
rm "$site_b/a.map" "$site_b/a.img"
start_b
wait_until 60 failed_over || bail "it is not active again"
is "after a boot it has the size that it had" "$(b sim-ctl get a sectors)" \
	$(((grow - 10) * 2048))

# --- copies ----------------------------------------------------------------------------
b sim-ctl write a $((200 * mib)) $mib 21
cp "$base" "$scratch_dir/one"
check "a snapshot" b replicactl snapshot a one
is "  it is known" "$(names) $(of one step) $(of one size_bytes)" \
	"one ready $(stat -c %s "$base")"
check "a clone" b replicactl clone a c
is "  it is known, and in no backend" "$(made step c)|$(made backend c)" "ready|"
b sim-ctl write a $((200 * mib)) $mib 22
check "the snapshot is as it was" cmp "$(of one path)" "$scratch_dir/one"
check "  so is the clone" cmp "$(made base c)" "$scratch_dir/one"
check "  and the volume is another" eval '! cmp -s "$base" "$scratch_dir/one"'
check "a clone of the snapshot" b replicactl clone a d --from one
check "  it is as that was" cmp "$(made base d)" "$scratch_dir/one"
check "a clone of the clone" b replicactl clone c e
check "  it is as that was" cmp "$(made base e)" "$scratch_dir/one"
check "the list says what it is of" eval 'b replicactl create |
	grep -q "^a: .* on $base (promoted), not replicated"'
refuses "there is no backend for a type" "in no backend" \
	b replicactl clone a f --type gold
refuses "it is not deleted" "has snapshots" b replicactl delete a --yes
exec 9<"$base"
refuses "what is in use is not copied without reflinks" "no reflinks" \
	b replicactl snapshot a two
exec 9<&-
is "  nothing is left of that" "$(names) $(in_stage)" "one 7"
check "with snapshots it grows, too" b replicactl extend a --size 400MiB
has_grown 400
is "  they are there" "$(names) $(made step)" "one ready"
for one in c d e; do
	check "the clone $one goes" b replicactl delete $one --yes
done
is "  all of it" "$(in_stage)" 1

# Who dies before it is known that this is the primary still has taken none.
b_stops_cleanly
for what in "snapped snapshot a two" "settling snapshot a two" \
	"created clone a c" "settling clone a c"; do
	rm -f "$site_b/reached"
	touch "$site_b/hold"
	SIM_HOLD_AT=${what%% *} start_b
	wait_until 60 failed_over || bail "it is not active again"
	# shellcheck disable=SC2086 # words
	b replicactl ${what#* } >/dev/null 2>&1 &
	taker=$!
	wait_until 60 test -e "$site_b/reached" || bail "${what#* } does not begin"
	kill_b
	wait $taker
	start_b
	wait_until 60 failed_over || bail "it is not active again"
	check "killed in ${what#* }: nothing is left of it" wait_until 60 eval \
		'[ "$(names) $(in_stage) $(ls "$site_b/state/made")" = "one 1 a.json" ]'
	b_stops_cleanly
done
rm "$site_b/hold"
start_b
wait_until 60 failed_over || bail "it is not active again"

# --- it comes back to A, with all that is new -------------------------------------------
start_daemon
wait_until 60 field_is a state superseded || bail "A is not superseded"
check "A asks B to make it larger" replicactl extend a --size 410MiB
has_grown 410
check "  and for a snapshot" replicactl snapshot a two
is "  it is at B" "$(names)" "one two"
check "A gives up" replicactl resolve a --keep peer
replicactl disable a >/dev/null || bail "A does not let it go"
a_receives 410
b_interval() {
	b replicactl config show --config "$site_b/conf" "volume a" --json |
		jq -r '.sections[].keys[] | select(.key == "interval") | .value'
}
check "B sends it, as of a type" b replicactl enable a --target pair:q --type slow
is "  that is applied" "$(b_interval)" 30s
check "another type" b replicactl set-type a fast
is "  is applied at once" "$(b_interval)" 20ms
check "A has it" wait_until 60 b_settled
check "it grows while it is replicated" b replicactl extend a --size 420MiB
has_grown 420
b sim-ctl write a $((415 * mib)) $mib 23
check "  A gets what is new" wait_until 60 b_settled
check "a snapshot while it is replicated" b replicactl snapshot a three
cp "$base" "$scratch_dir/at-b.img"

# --- it is the replica again --------------------------------------------------------------
# What is taken while it is given up may be of the replica: it is none.
b_stops_cleanly
SIM_HOLD_AT=snapped start_b
wait_until 60 b_settled || bail "B does not go on"
touch "$site_b/hold"
b replicactl snapshot a four >"$scratch_dir/four" 2>&1 &
taker=$!
wait_until 60 test -e "$site_b/reached" || bail "no snapshot is taken"
check "A takes over" replicactl failover a --force
check "  with all that B had" cmp "$scratch_dir/at-b.img" "$scratch_dir/a.img"
wait_until 60 eval '[ "$(b rpc-call get a state)" = superseded ]' ||
	bail "B is not superseded"
b replicactl resolve a --keep peer >"$scratch_dir/resolve" 2>&1 &
resolver=$!
wait_until 60 eval '[ "$(record step)" = given-up ]' || bail "B does not give up"
rm "$site_b/hold"
wait $taker
is "a snapshot that was under way is refused" "$?" 5
check "  and says why" grep -q "given up here meanwhile" "$scratch_dir/four"
wait $resolver
is "B gives up" $? 0
is "its snapshots are there" "$(names)" "one two three"
is "  no volume is said to be" "$(b rpc-call status |
	jq '[.volumes, .not_replicated | length] | add')" 0
is "no more are taken of it" "$(status_of b rpc-call snapshot \
	'{"volume": "a", "name": "four"}')" 8
refuses "nor clones" "replica" b rpc-call clone '{"volume": "a", "name": "f"}'
# The name is given to another volume, while there are snapshots of the old one.
check "the replica goes, but its base" b replicactl delete a --replica \
	--dir "$stage_dir" --keep-base --yes
b replicactl pair revoke p >/dev/null && b replicactl pair revoke q >/dev/null ||
	bail "the pairs are not revoked"
rm "$site_b/a.img" "$site_b/a.map"
truncate -s 8M "$scratch_dir/z.target"
SIM_DIR=$site_b sim-ctl create a $((8 * mib)) || bail "no other device"
mkdir "$site_b/other"
check "another volume has its name" b replicactl enable a --target \
	"local:$site_b/other/z?base=$scratch_dir/z.target"
for verb in "snapshot a four" "clone a f" "extend a --size 500MiB"; do
	# shellcheck disable=SC2086 # words
	refuses "  which has nothing to do with ${verb%% *}" "promoted here once" \
		b replicactl $verb
done
check "  it is disabled" b replicactl disable a
for one in one two three; do
	check "snapshot $one is dropped" b replicactl snapshot a --drop $one --yes
done
is "  with the last one, the record" "$(ls "$site_b/state/made") $(in_stage)" " 0"
check "  the base is what it was" cmp "$scratch_dir/at-b.img" "$base"
both_stop_cleanly
finish

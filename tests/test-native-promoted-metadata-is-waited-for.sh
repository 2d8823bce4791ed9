#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a promoted volume whose metadata are away
# would come up as one that owes the other site nothing, or by another volume's;
# or one whose metadata are lost for good would never come up again.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
requires_cmd jq

meta=$stage_dir/a.meta
reason() {
	b rpc-call status | jq -r '.volumes[0].reason'
}
says() {
	reason | grep -q "$1"
}
is_in_error() {
	[ "$(b rpc-call get a state)" = error ]
}
is_no_device() {
	! b sim-ctl get a plain >/dev/null 2>&1
}
boot_b() {
	kill_b
	rm -f "$site_b/a.map"	# what the kernel knew
	start_b
}
# stays_away WORDS: however often it is started, or asked for
stays_away() {
	boot_b
	check "  it is in error" wait_until 60 is_in_error
	check "  and says: $1" says "$1" || note "$(reason)"
	for _ in 1 2; do
		b replicactl recover a >"$scratch_dir/out" 2>&1
		is "  recover leaves it so" $? 4
		check "  it is no device" is_no_device
	done
	check "  it says what it has tried" grep -q \
		'^a: tried: go on with its failover; still error: ' \
		"$scratch_dir/out" || note "$(cat "$scratch_dir/out")"
}

replicate_pair
make_epoch 11 0
back=$epoch
make_epoch 12 65536

note "lost before the stage has let the volume go"
kill_b
export SIM_DIE_AT=noted-applied
start_b
unset SIM_DIE_AT
wait_settled a 60 || bail "A does not go on"
b replicactl failover a --force --epoch "$back" >/dev/null 2>&1
wait_until 60 eval '! kill -0 $b_pid 2>/dev/null' || bail "it is not killed"
lose_a
rm "$meta"
boot_b
check "it is made again by what the stage has" wait_until 60 failed_over
check "with all that the other site has (L2)" marks_cover "$back"

note "away"
mv "$meta" "$scratch_dir/away"
stays_away "a.meta: No such file or directory: bring it back"

note "of another volume"
mv "$scratch_dir/away" "$meta"
cp "$site_b/state/a.id" "$scratch_dir/id"
other=00112233445566778899aabbccddeeff
jq --arg o $other '.volume_id = $o | .kernel_volume = $o' "$scratch_dir/id" \
	>"$site_b/state/a.id"
stays_away "is the metadata of another volume"
cp "$scratch_dir/id" "$site_b/state/a.id"

note "damaged"
cp "$meta" "$scratch_dir/away"
dd if=/dev/urandom of="$meta" bs=4096 count=2 conv=notrunc status=none
stays_away "has no metadata that can be read"

note "back"
cp "$scratch_dir/away" "$meta"
kept=$(b_dirty)
b replicactl recover a >"$scratch_dir/out" 2>&1
is "recover has it come up" $? 0
check "  as it was" eval 'failed_over && [ "$(b sim-ctl get a dirty)" = \
	"$(wc -l <<<"$kept")" ]'
is "  and not suspect" "$(jq .suspect "$site_b/state/a.id")" false

note "lost for good"
rm "$meta"
stays_away "put an empty one there"
cp "$scratch_dir/id" "$site_b/state/a.id"
: >"$meta"
b replicactl recover a >"$scratch_dir/out" 2>&1
is "an empty one has it come up" $? 0
is "  wholly dirty" "$(b sim-ctl get a dirty)" $((native_mib * 256))
is "  and suspect" "$(jq .suspect "$site_b/state/a.id")" true
check "  it is told" grep -q "are made anew" "$b_log"
start_daemon
sim-ctl write a 131072 4096 9
check "  A knows who has succeeded it (L3)" wait_until 60 \
	field_is a state superseded
boot_b
check "another start changes nothing" wait_until 60 failed_over
kill_b
mv "$meta" "$scratch_dir/away"
start_b
check "who finds the device, and no name of its metadata, is in error" \
	wait_until 60 is_in_error
check "  and does not say to replace what the kernel has open" \
	eval '! reason | grep -q "empty one"'
mv "$scratch_dir/away" "$meta"
b replicactl recover a >"$scratch_dir/out" 2>&1
check "  until it is there" wait_until 60 failed_over

note "lost after it has grown"
check "it grows" b replicactl extend a --size 200MiB
kill_b
rm "$meta" "$site_b/a.map"
: >"$meta"
start_b
check "an empty one has it come up" wait_until 60 failed_over
is "  as large as it was" "$(b sim-ctl get a sectors)" $((200 * 2048))
check "  with metadata that are large enough" test "$(stat -c %s "$meta")" -ge \
	"$(replicactl kernel meta-size $((200 * 2048)) --json | jq .meta_bytes)"
both_stop_cleanly
finish

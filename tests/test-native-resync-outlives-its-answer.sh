#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: resync or verify --repair would say that it
# is done while the machine could still forget it (U6): after a crash right then
# the replica would stay different, and nobody would know.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"

# The machine loses power, and what was not on the metadata device.
crash() {
	kill_daemon
	sim-ctl reload a
}

# What is being sent, or is in the log alone, would mend it.
damage_it() {
	check "$1: nothing is to be sent" wait_settled a 60
	check "$1: the base has it all" wait_until 60 cmp -s \
		"$scratch_dir/a.img" "$scratch_dir/a.base"
	damage_stage 5 700
	start_stage
	check "$1: settled" wait_settled a 60
	image "$scratch_dir/image"
	check "$1: and differs" eval '! cmp -s "$scratch_dir/a.img" \
		"$scratch_dir/image"'
}

# begin COMMAND...: sets begun, its process
begin() {
	"$@" >"$scratch_dir/says" 2>&1 &
	begun=$!
	cleanup_fn kill_pid $begun
}

has_ended() {
	! kill -0 $begun 2>/dev/null
}

is_marked() {
	[ "$(field a bytes_compared)" -gt "$before" ]
}

make_volume a
start_stage
begin_config
configure a metadata=/dev/meta-a trust_boot=yes
start_daemon
check "the first sync" equals

# resync, and the power goes with the answer.
for how in "" --full; do
	damage_it "resync $how"
	stop_plugin			# nothing is sent
	check "it has gone" wait_until 60 field_is a state connecting
	replicactl resync a --yes $how >/dev/null
	is "resync $how: it answers" $? 0
	crash
	start_stage
	start_daemon
	check "resync $how: a crash forgets nothing" equals
done

# While the metadata device does nothing, there is no answer.
sim-ctl meta a stuck
before=$(field a bytes_compared)
begin replicactl resync a --yes
check "it is marked" wait_until 60 is_marked
check "it is not durable: no answer" kill -0 $begun
sim-ctl meta a moving
check "it is durable: an answer" wait_until 60 has_ended
wait $begun
is "a good one" $? 0

sim-ctl meta a stuck
begin replicactl resync a --yes
sim-ctl meta a fail
wait $begun
is "the device fails: so does the verb" $? 1
check "it says why" grep -q "the metadata device has failed" \
	"$scratch_dir/says"
sim-ctl meta a mend
sim-ctl meta a moving
check "settled" wait_settled a 60

# verify --repair: the same.
damage_it "verify"
sim-ctl meta a stuck
begin replicactl verify a --repair --json
verify_field() {
	rpc-call status | jq ".volumes[0].verify.$1"
}
is_repaired() {
	[ "$(verify_field repaired_bytes)" = 8192 ]
}
check "verify --repair: it has marked" wait_until 60 is_repaired
is "not durable: it runs" "$(verify_field running)" true
sim-ctl meta a moving
wait $begun
is "durable: it has ended" $? 0
is "with nothing to say" "$(jq .error "$scratch_dir/says")" null
crash
start_daemon
check "a crash forgets nothing" equals

damage_it "verify, a failed device"
sim-ctl meta a stuck
begin replicactl verify a --repair
check "it has marked" wait_until 60 is_repaired
sim-ctl meta a fail
wait $begun
is "the device fails: so does the verb" $? 1
check "it says why" grep -q "the metadata device has failed" \
	"$scratch_dir/says"
sim-ctl meta a mend

# A stop does not wait for a disk.
check "settled" wait_settled a 60
damage_stage 9
start_stage
check "settled, damaged" wait_settled a 60
begin replicactl verify a --repair
repairs_another() {
	[ "$(verify_field repaired_bytes)" = 4096 ]
}
check "again" wait_until 60 repairs_another
stop_daemon
is "a clean stop" $? 0
finish

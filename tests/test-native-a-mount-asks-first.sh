#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a mount at boot would use a volume that the
# other site has taken over (P5), or wait for ever for one that it may use.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

# says STATUS WORDS COMMAND...: that is the exit status, those words are told
says() {
	local status
	"${@:3}" >"$scratch_dir/said" 2>&1
	status=$?
	[ $status = "$1" ] && grep -q -e "$2" "$scratch_dir/said" && return
	echo "status $status: $(cat "$scratch_dir/said")"
	return 1
}
# boot_a: A crashes; its device is gone until somebody makes it
boot_a() {
	kill_daemon
	sim-ctl meta a unplug
}
# begin_wait COMMAND...: in the background, as job $waiter
begin_wait() {
	rm -f "$scratch_dir/path" "$scratch_dir/waits"
	"$@" >"$scratch_dir/path" 2>"$scratch_dir/waits" &
	waiter=$!
	cleanup_fn kill_pid $waiter
}
waits() {
	grep -q "^waiting: .*$1" "$scratch_dir/waits" && kill -0 $waiter
}
is_here() {
	[ "$(cat "$scratch_dir/path" 2>/dev/null)" = /dev/mapper/a ]
}

a_options=$'activation=ask\nmetadata=/dev/meta-a\norigin='$scratch_dir/a.img
replicate_pair
make_epoch 11 0
is "a primary that is replicated" "$(replicactl path a)" /dev/mapper/a
is "  with --json" "$(replicactl path a --json | jq -r '.path, .use, .reason' |
	tr '\n' ' ')" "/dev/mapper/a yes null "
check "a volume that nobody knows" says 3 "no volume z" replicactl path z --wait=30s
check "a name that is a path" says 3 "no volume" replicactl path ../stage/a
check "a time that is none" says 2 "not a time" replicactl path a --wait=soon
check "its replica is not to be used" says 8 "is a replica here" \
	b replicactl path a --wait=300s
check "  nor is a snapshot taken of it: that is asked for at the other side" \
	says 3 "at the other side of the pair p: volume a was not made here" \
	b replicactl snapshot a now

boot_a
check "no replicad" says 1 "." replicactl path a
begin_wait replicactl path a --wait=100s
check "  that is waited for" wait_until 60 waits replicad
start_daemon
check "  until it has made the device" wait_until 100 is_here

boot_a
kill_pid $b_pid
start_daemon
check "no answer of the target" says 8 "not to be used here yet: volume a is not" \
	replicactl path a --wait=1s
begin_wait replicactl path a --wait=100s
check "  it is waited for" wait_until 60 waits "does not say whether"
start_b
check "  and comes" wait_until 100 is_here

# One that others activate: its device is there, and nobody was asked.
kill_pid $b_pid
kill_daemon
sed -i '/^origin=/d' "$scratch_dir/conf"
start_daemon
is "another's device is there before anybody was asked" "$(sim-ctl get a plain)" 0
check "  it is not to be used (B5)" says 8 "yet" replicactl path a
start_b
begin_wait replicactl path a --wait=100s
check "  until the target was met" wait_until 100 is_here
kill_pid $b_pid
check "  also when it has gone then" wait_until 60 field_is a state connecting
is "  " "$(replicactl path a)" /dev/mapper/a
kill_daemon
sed -i 's/^activation=.*/activation=force/' "$scratch_dir/conf"
start_daemon
is "with force nobody asks" "$(replicactl path a)" /dev/mapper/a
start_b
wait_settled a 60 || bail "not settled"

sed -i 's/^activation=.*/activation=ask\norigin='"${scratch_dir//\//\\/}"'\/a.img/' \
	"$scratch_dir/conf"
boot_a
b replicactl failover a --force >/dev/null 2>&1 || bail "no failover"
is "who has taken over may use it" "$(b replicactl path a)" /dev/mapper/a
start_daemon
check "the old primary may not, at once (B6)" says 8 "the other site has taken over" \
	replicactl path a --wait=300s
is "  and has no device" "$(sim-ctl get a plain)" 1
kill_daemon
sed -i 's/^activation=.*/activation=force/' "$scratch_dir/conf"
start_daemon
check "with force it has one" wait_until 60 field_is a state superseded
check "  which is not to be used either" says 8 "not to be used here: " \
	replicactl path a --wait=300s
check "  a program is told so, too" eval \
	'[ "$(replicactl path a --json | jq .error.exit)" = 8 ]'
check "when it is given up" replicactl resolve a --keep peer
check "  it is still not to be used" says 8 "not to be used here: " \
	replicactl path a --wait=300s
finish

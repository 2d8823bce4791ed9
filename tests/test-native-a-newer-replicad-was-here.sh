#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: what a newer replicad has noted of a volume, a
# pair or a failover would be read as if it were known here, passed over, or
# replaced, when an older one is installed again.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
words="a newer version of dm-replica has written it: install that version again"

# of_later FILE: it is one of a version to come
of_later() {
	cp "$1" "$scratch_dir/kept"
	sed -i 's/"schema_version": 1/"schema_version": 2/' "$1"
	! cmp -s "$1" "$scratch_dir/kept" || bail "$1 has no version"
	cp "$1" "$scratch_dir/later"
}

# is_as_it_was FILE: and put back
is_as_it_was() {
	check "  it is as it was" cmp "$1" "$scratch_dir/later"
	cp "$scratch_dir/kept" "$1"
}

replicate_pair
make_epoch 11 0
stop_daemon
of_later "$state_dir/a.id"
replicad-sim --config "$scratch_dir/conf" 2>>"$daemon_log" &
daemon_pid=$!
cleanup_fn kill_pid $daemon_pid
check "a volume's identity" wait_until 60 grep -q "a.id: $words" "$daemon_log"
stop_daemon
is_as_it_was "$state_dir/a.id"

of_later "$state_dir/pairs/p.json"
start_daemon
check "a pair" wait_until 60 grep -q "p: error: the pair cannot be read: $words" "$daemon_log"
refuses "  it is not replaced" "pair p.*$words" replicactl pair invite p \
	--address 127.0.0.1:1 --dir "$scratch_dir/other"
sim-ctl write a 65536 65536 12
check "  and who needs it" wait_until 60 eval 'field a reason | grep -q "the pair p: '"$words"'"'
stop_daemon
is_as_it_was "$state_dir/pairs/p.json"
start_daemon
check "  then it goes on" paired_equals a 60
lose_a

b replicactl failover a --force >/dev/null || bail "no failover"
kill_b
record=$site_b/state/promotions/a.json
of_later "$record"
start_b
check "a failover" wait_until 60 grep -q "a: error: its failover's record: $words" "$b_log"
refuses "  it is not done once more" "the record of its failover: $words" \
	b replicactl failover a --force
kill_b
is_as_it_was "$record"
start_b
check "  then it goes on" wait_until 60 failed_over

# Whether it was given up stands in its identity, too (given-up D3).
kill_b
of_later "$site_b/state/a.id"
start_b
check "the identity of who was promoted" wait_until 60 eval \
	'b rpc-call get a reason | grep -q "may have been given up, and its .id"'
kill_b
is_as_it_was "$site_b/state/a.id"
start_b
check "  then it goes on" wait_until 60 failed_over

# Who is asked for a giving up that it does not understand does nothing.
mkdir -p "$state_dir/given-up"
note=$state_dir/given-up/00000000000000000000000000000001.json
printf '{"schema_version": 2, "volumes": ["a"]}' >"$note"
start_daemon
check "a giving up" wait_until 60 grep -q "given-up/.*: $words" "$daemon_log"
check "  it stays" test -e "$note"
kill_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: what was written to the device of an old
# primary, by whomever, would stay there below an image that is called clean (L3).
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

a() {
	"$@"
}

# scribble FILE: what nobody counts, from the second MiB on
scribble() {
	dd if=/dev/urandom of="$1" bs=4096 count=1 conv=notrunc status=none \
		seek=$((256 + RANDOM % 1792))
}

# fetch EXPORT PAIR STATE_DIR: to $scratch_dir/fetched
fetch() {
	nbdcopy "nbds://$(jq -r .pair_id "$3/pairs/$2.json")@127.0.0.1:$(
		)$port/$1?tls-psk-file=$3/pairs/$2.key" "$scratch_dir/fetched"
}

# dirty_of PAIR STATE_DIR: pairs and bytes in a@dirty there
dirty_of() {
	fetch a@dirty "$@" &&
		od -An -tu8 -j32 -N16 "$scratch_dir/fetched" | xargs
}

# has_all PAIR STATE_DIR VOLUME: that is the image there
has_all() {
	fetch a@latest "$1" "$2" && cmp "$scratch_dir/fetched" "$3"
}

# give_up SITE: a, which is superseded there
give_up() {
	check "$1 is superseded" wait_until 60 eval \
		'[ "$('"$1"' rpc-call get a state)" = superseded ]'
	check "  it is given up" "$1" replicactl resolve a --keep peer
}

# receive SITE PAIR STAGE BASE: its device becomes the base of a stage
receive() {
	choose_port
	mkdir "$3"
	"$1" replicactl pair invite "$2" --address "127.0.0.1:$port" \
		--listen 127.0.0.1 --dir "$3" --history 1h \
		--create "a:${native_mib}MiB:$4" >"$scratch_dir/token" ||
		bail "$1 does not invite"
}

knows_nothing() {
	[ "$(dirty_of "$@")" = "1 $((native_mib * 1048576))" ]
}

# send SITE PAIR STATE_DIR: in many small epochs, to the site of that
send() {
	"$1" replicactl pair join "$2" <"$scratch_dir/token" ||
		bail "$1 does not join"
	check "nothing is known of the device" wait_until 60 \
		knows_nothing "$2" "$3"
	"$1" replicactl enable a --target "pair:$2" --heartbeat 200ms \
		--interval 20ms --window 64KiB || bail "$1 does not send"
}

# sent SITE PAIR STATE_DIR VOLUME: by what it says, which may be old, and by the
# image there
sent() {
	[ "$("$1" rpc-call get a state)" = replicating ] &&
		[ "$("$1" rpc-call get a dirty_bytes)" = 0 ] &&
		[ "$("$1" rpc-call get a epoch)" = 0 ] &&
		has_all "$2" "$3" "$4" >"$scratch_dir/differs" 2>&1
}

power_cut_b() {
	kill_b
	b sim-ctl reload a
}

# all_dirty, ships: B, which has connected to A
all_dirty() {
	[ "$(b sim-ctl get a dirty)" = $((native_mib * 256)) ]
}

ships() {
	[ "$(b sim-ctl get a committed)" != "$promoted_at" ]
}

moment() {
	sleep 0.$((RANDOM % 5))$((RANDOM % 10))
}

replicate_pair
make_epoch 11 0
lose_a
sim-ctl write a 1048576 131072 66	# A writes alone …
b replicactl failover a --force >/dev/null || bail "no failover"
b sim-ctl write a 2097152 65536 77
refuses "a volume that was promoted has no such list" "." \
	dirty_of p "$site_b/state"
check "it says why" grep -q "a@dirty: it was promoted" "$b_log"
start_daemon
give_up a
replicactl disable a || bail "A is not disabled"
stop_daemon
for _ in 1 2 3 4; do			# … and so do others
	scribble "$scratch_dir/a.img"
done
printf '[replicad]\nstate_dir=%s\nreactors=1\nplugin=%s\n' "$state_dir" \
	"$plugin_so" >"$scratch_dir/conf"
start_daemon
receive a q "$scratch_dir/stage" "$scratch_dir/a.img"
# B loses power before its disk has the mark of everything (U2), and after that.
b sim-ctl meta a stuck
promoted_at=$(b sim-ctl get a committed)
send b q "$state_dir"
check "B knows that all of it may differ" wait_until 60 all_dirty
refuses "and ships nothing of it yet" "" wait_until 1 ships
power_cut_b
b sim-ctl meta a moving
start_b
for how in kill_b power_cut_b kill_b; do
	b sim-ctl write a $((RANDOM % 1024 * 4096)) 8192 $RANDOM
	moment
	$how
	start_b
	moment
	kill_daemon
	start_daemon
done
check "A has all of it" wait_until 60 sent b q "$state_dir" "$site_b/a.base"

# The stage is lost, and made anew on what is there.
kill_daemon
wait_until 60 eval '! pgrep -f -- "dir=$scratch_dir/stage" >/dev/null' ||
	bail "A's server goes on without it"
rm -rf "$scratch_dir/stage"
mkdir "$scratch_dir/stage"
scribble "$scratch_dir/a.img"
start_daemon
check "A has it again" wait_until 60 sent b q "$state_dir" "$site_b/a.base"
is "and knows it" "$(dirty_of q "$state_dir")" "0 0"
kill_daemon
b sim-ctl write a 3145728 65536 78	# now B writes alone
kill_b
start_daemon
check "A takes it over again" replicactl failover a --force

# The second divergence
sim-ctl write a 0 4096 79
start_b
give_up b
scribble "$site_b/a.base"
receive b r "$site_b/stage2" "$site_b/a.base"
send a r "$site_b/state"
moment
kill_daemon
start_daemon
check "B has it" wait_until 60 sent a r "$site_b/state" "$scratch_dir/a.img"
is "and knows it" "$(dirty_of r "$site_b/state")" "0 0"
both_stop_cleanly
finish

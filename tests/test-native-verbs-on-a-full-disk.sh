#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a verb that finds the disk of a state folder or
# of a stage full would not say so, leave something half done that the same verb does
# not end when there is room, or that no replicad starts with; or would lose what
# was there before. Each verb is tried with no room, with a page of it, with two,
# four, ... until it is done; after each failure the site is killed, and started
# while its disk is still full.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-full-disk.sh"
requires_root
requires_cmd mount umount

restart_a() {
	kill_daemon
	start_daemon
}

# What is half made goes at the next start, if there is room for that (made.h).
restart_a_with_room() {
	[ $# = 0 ] || rm "$1"
	restart_a
}

restart_b() {
	kill_b
	start_b
}

# A test device ends with its replicad (testdev.h, V2).
restart_a_if_full() {
	[ $# = 0 ] || restart_a
}

# on_full DIR RESTART WHAT COMMAND...: RESTART is of the site that does it; with
# an argument, what fills the disk, after a failure.
# Between the tries $still_works has to hold.
still_works=true nr_full=0
on_full() {
	local dir=$1 restart=$2 what=$3 pages=0 status nr=0
	shift 3
	while :; do
		leave "$dir" $pages
		status=0
		"$@" >"$scratch_dir/says" 2>&1 || status=$?
		[ $status != 0 ] && [ $pages -lt 4096 ] || break
		nr=$((nr + 1))
		if ! grep -qE "$is_full" "$scratch_dir/says"; then
			fail "$what, with $pages pages: it is said why"
			note "status $status: $(cat "$scratch_dir/says")"
			rm "$dir/filler"
			return
		fi
		$restart "$dir/filler"
		rm -f "$dir/filler"
		if ! wait_until 60 $still_works; then
			fail "$what, with $pages pages: all is as it was"
			note "$(replicactl status; b replicactl status)"
			return
		fi
		pages=$((pages ? pages * 2 : 1))
	done
	rm -f "$dir/filler"
	is "$what: no room for it $nr times, then it is done" $status 0 ||
		note "$(cat "$scratch_dir/says")"
	nr_full=$((nr_full + nr))
	$restart			# it lasts
}

make_disk "$state_dir" 512k
make_disk "$site_b/state" 512k
make_disk "$stage_dir" 64m
mkdir "$scratch_dir/volumes"
daemon_options=plugin=$plugin_so
begin_config
printf '%s\n' '[backend here]' driver=file "folder=$scratch_dir/volumes" \
	'[type plain]' driver=file >>"$scratch_dir/conf"
start_daemon
start_b
make_volume a
make_volume c
choose_port

# --- create, extend, delete -------------------------------------------------------
on_full "$state_dir" restart_a_with_room "create" replicactl create x --size 4MiB --type plain
on_full "$state_dir" restart_a_with_room "extend" replicactl extend x --size 6MiB
is "it has its size" "$(replicactl create --json | jq -c \
	'[.volumes[].size_bytes]')" "[6291456]"
on_full "$state_dir" restart_a_with_room "delete" replicactl delete x --yes
is "nothing is left of it" "$(find "$scratch_dir/volumes" -type f)" ""

# --- pair, enable -----------------------------------------------------------------
# Who fails to keep the pair has used the invitation: it says so.
invite_p() {
	invite p --history 1h --create "a:${native_mib}MiB:$site_b/a.base" \
		--create "c:${native_mib}MiB:$site_b/c.base" ||
		{ cat "$scratch_dir/invite-says"; return 1; }
}

join_anew() {
	b replicactl pair revoke p --yes
	rm -rf "${stage_dir:?}"/* "$site_b"/*.base
	invite_p && join_pair p
}

on_full "$site_b/state" restart_b "pair join, there" join_anew
replicactl pair revoke p --yes >/dev/null || bail "the pair stays"
on_full "$state_dir" restart_a "pair join, here" join_anew
check "then there is room to serve" wait_until 60 serves p
enable() {
	replicactl enable "$1" --target pair:p --heartbeat 200ms \
		--interval 20ms --stale-wait 300ms --yes
}
on_full "$state_dir" restart_a "enable" enable a
enable c >/dev/null || bail "c is not enabled"
check "they are replicated" eval 'paired_equals a 60 && paired_equals c 60'

still_works=wait_settled\ a
on_full "$state_dir" restart_a "pause" replicactl pause a
check "  it is" wait_until 60 field_is a state paused
still_works=true
on_full "$state_dir" restart_a "resume" replicactl resume a
check "  it is" wait_settled a 60
still_works=wait_settled\ a
on_full "$state_dir" restart_a_with_room "disable" replicactl disable a
still_works=true
is "  it is" "$(rpc-call status | jq -c '[.volumes[].name]')" '["c"]'
enable a >/dev/null || bail "a is not enabled"
wait_settled a 60 || bail "a is not replicated"
on_full "$state_dir" restart_a_if_full "test" \
	replicactl test a --no-attach --name t
is "  it is there" "$(replicactl test --names)" t

# --- handover, failover -----------------------------------------------------------
still_works=wait_settled\ c
on_full "$state_dir" restart_a_with_room "failover --planned" \
	replicactl failover c --planned
still_works=true
check "  it is given up" wait_until 60 field_is c writes refused
cp "$scratch_dir/c.img" "$scratch_dir/c.last"
# What was begun goes on at the start, and ends where there is no room.
at_rest() {
	local states
	states=$(b rpc-call status | jq -r '.volumes[].state')
	! grep -q failing-over <<<"$states"
}
restart_b_at_rest() {
	restart_b
	wait_until 60 at_rest || bail "a failover does not end"
}
on_full "$site_b/state" restart_b_at_rest "failover" b replicactl failover c --force
check "it has all of it" cmp "$scratch_dir/c.last" "$site_b/c.base"

make_epoch 11 0
back=$epoch
make_epoch 12 32768
make_epoch 13 131072
lose_a
on_full "$stage_dir" restart_b_at_rest "failover --epoch, the stage's disk is full" \
	b replicactl failover a --force --epoch "$back"
is "  of that epoch" "$(jq .epoch "$site_b/state/promotions/a.json")" "$back"
check "  with all that was delivered above it (L2)" marks_cover "$back"
check "  and kept aside (L4)" salvage_has

# --- the way back -----------------------------------------------------------------
sim-ctl write a 1048576 131072 66	# nobody at B ever sees this
cp "$scratch_dir/a.img" "$scratch_dir/alone.img"
start_daemon
still_works='wait_until 60 field_is a state superseded'
$still_works || bail "A is not superseded"
on_full "$state_dir" restart_a "resolve" replicactl resolve a --keep peer
check "  it is given up" wait_until 60 field_is a writes refused
name=$(replicactl salvage --json | jq -r \
	'.salvages[] | select(.volume == "a") | .name')
check "what was only there is salvaged" replicactl salvage "$name" \
	--export "$scratch_dir/kept"
check "  as it was" cmp -n 131072 -i 1048576 "$scratch_dir/kept" \
	"$scratch_dir/alone.img"
is "  once" "$(wc -w <<<"$name")" 1
still_works=true
for v in a c; do
	replicactl disable $v >/dev/null || bail "$v is not disabled"
done
on_full "$state_dir" restart_a "pair revoke" replicactl pair revoke p --yes
on_full "$site_b/state" restart_b "pair revoke, there" \
	b replicactl pair revoke p --yes
	rm -rf "${stage_dir:?}"/* "$site_b"/*.base
is "neither has a pair" "$({ rpc-call pair_list; b rpc-call pair_list; } |
	jq '.pairs | length' | xargs)" "0 0"
note "there was no room $nr_full times"
check "which was often" test "$nr_full" -ge 15
both_stop_cleanly
finish

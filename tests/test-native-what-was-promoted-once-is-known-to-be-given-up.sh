#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site that was promoted once, is asked to give
# the volume up, and ends before its answer is there, would know nothing of it when
# it is asked again, and who asks would wait for ever.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-route.sh"

note=$state_dir/keeping/a.json
b_is() {
	[ "$(b rpc-call get a "$1")" = "$2" ]
}
b_has() {
	[ "$(b rpc-call status | jq '.volumes | length')" = "$1" ]
}
keep_local() {
	status_of replicactl resolve a --keep local --yes
}
# ask_until_killed STEP: A asks, and B dies of it there; B is as it was before
ask_until_killed() {
	rm -rf "$site_b"
	cp -a "$scratch_dir/b-before" "$site_b"
	SIM_DIE_AT=$1 start_b
	wait_until 60 b_is state superseded || bail "B is not superseded"
	replicactl resolve a --keep local --yes >"$scratch_dir/says" 2>&1 &
	asker=$!
	wait_until 60 eval '! kill -0 $b_pid' ||
		bail "B is not killed at $1: $(cat "$scratch_dir/says")"
	wait $b_pid
	is "B is killed at $1" $? 137
	kill_b
}

# To B, from there to A, and A takes it over again.
replicate_pair
make_epoch 11 0
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
daemon_options=plugin=$plugin_so
begin_config
choose_port
mkdir "$scratch_dir/stage-a"
start_daemon
replicactl pair invite q --address "127.0.0.1:$port" --listen 127.0.0.1 \
	--dir "$scratch_dir/stage-a" --history 1h \
	--create "a:${native_mib}MiB:$scratch_dir/a-again.img" \
	>"$scratch_dir/token" || bail "A does not invite"
b replicactl pair join q <"$scratch_dir/token" || bail "B does not join"
b replicactl enable a --target pair:q --heartbeat 200ms --interval 20ms ||
	bail "B does not send it"
wait_until 60 b_is state replicating || bail "A does not get it"
b sim-ctl write a 0 65536 5
rm -f "$scratch_dir"/a.{img,map,view}
replicactl failover a --force >/dev/null || bail "no failover to A"
wait_until 60 b_is state superseded || bail "B is not superseded"
kill_b
cp -a "$site_b" "$scratch_dir/b-before"
b_options=$'[pair q]\ngive_up=yes'

ask_until_killed ending-forgotten
start_b
wait $asker
is "  what A is told" $? 6
check "  the note stays" test -e "$note"
check "B has nothing of it any more" wait_until 60 b_has 0
is "asked again it says that it was given up" "$(keep_local)" 0
check "  as what it is" says "a was given up before at the other side"
check "  that is known, then" test ! -e "$note"
kill_b

ask_until_killed ending-disabled
touch "$site_b/stays"			# its device is in use
start_b
wait $asker
is "  what A is told" $? 6
check "  the note stays" test -e "$note"
is "its device is in use: asked again it goes on" "$(keep_local)" 6
check "  and says why it is not done" \
	says "was given up.*its device could not be removed"
check "  it is there still" b_has 1
check "  the note stays, too" test -e "$note"
rm "$site_b/stays"
is "asked once more it does the rest" "$(keep_local)" 0
check "  the device is gone" b_has 0
check "  that is known, then" test ! -e "$note"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site that has asked the other one to give a
# volume up, and has lost the answer, would give it up itself: nobody has it then.
# Or it would wait for ever, though the other one can say what has become of it.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-route.sh"

note=$site_b/state/keeping/a.json
# ask_until_killed: B asks, and A dies of it; then A is there again
ask_until_killed() {
	b replicactl resolve a --keep local --yes >"$scratch_dir/says" 2>&1 &
	asker=$!
	wait_until 60 eval '! kill -0 $daemon_pid' ||
		bail "A is not killed at $1: $(cat "$scratch_dir/says")"
	wait $daemon_pid
	is "A is killed at $1" $? 137
	check "  B has noted before that it asks" grep -q '"pair": "p"' "$note"
	start_daemon
	wait $asker
	is "  what B is told" $? 6
	check "  in words" says "may have been done.*until that is known"
	check "  the note stays" test -e "$note"
}
planned() {
	status_of b replicactl failover a --planned --yes --timeout 120
}

a_options=metadata=meta
replicate_pair
printf '[pair p]\ngive_up=yes\n' >>"$scratch_dir/conf"
make_epoch 11 0
lose_a
sim-ctl write a 1048576 131072 66	# nobody at B ever sees this
b replicactl failover a --force >/dev/null || bail "no failover"
wait_until 60 serves p || bail "B does not serve"
truncate -s 16M "$scratch_dir/c.img"
b replicactl enable a --target "local:$scratch_dir/c.img" >/dev/null ||
	bail "B does not send it on"

SIM_DIE_AT=giving-up-closed start_daemon
wait_until 60 field_is a state superseded || bail "A is not superseded"
ask_until_killed giving-up-closed
check "A goes on" wait_until 60 field_is a writes allowed
is "B does not hand it over" "$(planned)" 5
check "  and says what to do" says "pair p.*was asked.*resolve a --keep local"
check "  and how to end it" says "pair revoke p"
kill_b
start_b
wait_until 60 serves p || bail "B does not serve again"
is "nor does one that was started again" "$(planned)" 5
is "nor does it give it up" \
	"$(status_of b replicactl resolve a --keep peer --yes)" 5

kill_daemon
is "one that is asked again, and is not met" \
	"$(status_of b replicactl resolve a --keep local --yes)" 9
check "  may have done it at the first time" test -e "$note"
is "  so B gives nothing up still" "$(planned)" 5

SIM_DIE_AT=giving-up-done start_daemon
wait_until 60 field_is a state superseded || bail "A is not superseded again"
ask_until_killed giving-up-done
check "A has given it up" wait_until 60 field_is a writes refused
is "asked once more it says so" \
	"$(status_of b replicactl resolve a --keep local --yes)" 0
check "  as what it is" says "a was given up before at the other side"
check "  and where is what was only there" says "salvaged there: 128"
check "  that is known, then" test ! -e "$note"
is "B hands it over, if it is to" "$(planned)" 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site whose question was answered in vain
# could not learn any more that the other one has given the volume up, once that
# one has disabled it: it would wait for ever, and never hand it over.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-route.sh"

note=$site_b/state/keeping/a.json
keep_local() {
	status_of b replicactl resolve a --keep local --yes
}
# note_that_it_asked: as one does whose answer was lost
note_that_it_asked() {
	mkdir -p "${note%/*}"
	printf '{"schema_version": 1, "pair": "p", "pair_id": "%s"}\n' \
		"$(b_pair p pair_id)" >"$note"
}
# consent yes|no: of A, which is started anew
consent() {
	kill_daemon
	cp "$scratch_dir/conf.plain" "$scratch_dir/conf"
	printf '[pair p]\ngive_up=%s\n' "$1" >>"$scratch_dir/conf"
	start_daemon
}

replicate_pair
make_epoch 11 0
sed '/^\[volume a\]/,$d' "$scratch_dir/conf" >"$scratch_dir/conf.none"
cp "$scratch_dir/conf" "$scratch_dir/conf.plain"
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
wait_until 60 serves p || bail "B does not serve"

at_a_terminal() {
	status_of b on-a-terminal 'Go on? [y/N]' "$1" \
		replicactl resolve a --keep local
}
note_that_it_asked
cp "$scratch_dir/conf.plain" "$scratch_dir/conf"
sed -i 's/^\[replicad\]/&\nrouted=off/' "$scratch_dir/conf"
start_daemon
wait_until 60 field_is a state superseded || bail "A is not superseded"
is "who is told nothing beforehand is asked still" "$(at_a_terminal n)" 5
check "  is told why" says "routed=off"
check "  and asked" says "of the OTHER site is given up.*kept aside"
check "  a no changes nothing" test -e "$note"
is "with a yes the other one is asked" "$(at_a_terminal y)" 7
check "  who asks waits for it no more" test ! -e "$note"
rm "$scratch_dir/says"

consent yes
wait_until 60 field_is a state superseded || bail "A is not superseded"
is "A gives it up" "$(keep_local)" 0
note_that_it_asked
consent no
wait_until 60 field_is a writes refused || bail "A has not given it up"
is "one that has agreed no more says it, too" "$(keep_local)" 0
check "  as what it is" says "a was given up before at the other side"
check "  that is known, then" test ! -e "$note"

note_that_it_asked
check "A disables it" replicactl disable a
is "it is told still that it was given up" "$(keep_local)" 0
check "  as what it is" says "a was given up before at the other side"
check "  that is known, then" test ! -e "$note"

note_that_it_asked
kill_daemon
cp "$scratch_dir/conf.none" "$scratch_dir/conf"
printf '[volume a]\ntarget=local:%s\n[pair p]\ngive_up=yes\n' \
	"$scratch_dir/c.img" >>"$scratch_dir/conf"
truncate -s 16M "$scratch_dir/c.img"
start_daemon
is "what goes elsewhere is not sent from there any more" "$(keep_local)" 3
check "  in words" says "nothing of that name is sent from there any more"
check "  who asks waits for it no more" test ! -e "$note"
note_that_it_asked
kill_daemon
{
	cat "$scratch_dir/conf.plain"
	printf '[volume b]\ntarget=pair:p/a\n[pair p]\ngive_up=yes\n'
} >"$scratch_dir/conf"
start_daemon
is "of two by one name neither is meant" "$(keep_local)" 1
check "  in words" says "more than one is sent from there by that name"
check "  so it waits" test -e "$note"
finish

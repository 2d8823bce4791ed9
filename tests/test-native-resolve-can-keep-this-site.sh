#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who decides at the site whose data are kept
# could not say so there; or what the other one gives up would be lost, or given up
# though it has not agreed, or both sites would give up.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-route.sh"

keep_local="replicactl resolve a --keep local --yes"
note=$site_b/state/keeping/a.json
# a_says LINES: those are added to A's configuration
a_says() {
	stop_daemon
	cp "$scratch_dir/conf.plain" "$scratch_dir/conf"
	[ -z "${2-}" ] || sed -i "s/^\[replicad\]/&\n$2/" "$scratch_dir/conf"
	printf '%s\n' "$1" >>"$scratch_dir/conf"
	start_daemon
	wait_until 60 field_is a state superseded || bail "A is not superseded"
}

b_options=$'[pair p]\ngive_up=yes'
replicate_pair
# shellcheck disable=SC2086 # words
{
is "a primary that is not in doubt asks nobody" "$(status_of $keep_local)" 5
check "  and says why" says "neither promoted here nor in doubt"
make_epoch 11 0
is "nor does a replica" "$(status_of b $keep_local)" 5
lose_a
sim-ctl write a 1048576 131072 66	# nobody at B ever sees this
cp "$scratch_dir/a.img" "$scratch_dir/alone.img"
b replicactl failover a --force >/dev/null || bail "no failover"
wait_until 60 serves p || bail "B does not serve"
cp "$scratch_dir/conf" "$scratch_dir/conf.plain"

a_says ''
is "who has not agreed to it gives nothing up" "$(status_of b $keep_local)" 7
check "  and says how it is agreed to" says "other side.*give_up=no"
check "  and what to say instead" says "resolve --keep peer"
is "nothing is given up" "$(field a writes)" allowed
check "  nor waited for any more" test ! -e "$note"
a_says $'[pair other]\ngive_up=yes'
is "it is agreed to for each pair by itself" "$(status_of b $keep_local)" 7
a_says $'[pair p]\ngive_up=yes' routed=look
is "where the other side may change nothing it is refused" \
	"$(status_of b $keep_local)" 7
check "  there, by name" says "other side.*routed=look"
is "a dry run asks, too" "$(status_of b $keep_local --dry-run)" 0
check "  and tells what is only there" \
	says "128.* at the other side of the pair p would be given up"
is "  and gives up nothing" "$(field a writes)" allowed
a_says $'[pair p]\ngive_up=yes'
is "where to keep it aside is said there" \
	"$(status_of b $keep_local --dir /tmp)" 2
is "another pair is not asked" "$(status_of b $keep_local --pair q)" 5
check "  and the right one named" says "promoted over.* pair p"
is "a script says yes in words" \
	"$(status_of b replicactl resolve a --keep local </dev/null)" 5
check "  and is told that" says "say --yes"
is "who was not promoted does not ask" "$(status_of $keep_local)" 5
check "  and is told what to say" says "in doubt with .* pair p.*--keep peer"
is "B stays the primary" "$(b rpc-call get a state)" promoted

# Both never do because each was asked by the other (R7).
mkdir -p "$state_dir/keeping"
printf '{"schema_version": 1, "pair": "p", "pair_id": "%s"}\n' \
	"$(b_pair p pair_id)" \
	>"$state_dir/keeping/a.json"
is "one that asks itself gives nothing up" "$(status_of b $keep_local)" 5
check "  and says so" says "was asked to give it up, and has perhaps"
is "  nor does it for its own operator" \
	"$(status_of replicactl resolve a --keep peer --yes)" 5
rm "$state_dir/keeping/a.json"

is "B keeps its own" "$(status_of b $keep_local)" 0
check "  and tells where the rest is" says "salvaged there: 128"
check "  and waits for nobody" test ! -e "$note"
is "nobody writes at A" "$(field a writes)" refused
name=$(replicactl salvage --json | jq -r '.salvages[0].name')
check "what was only there is kept aside there" replicactl salvage "$name" \
	--export "$scratch_dir/kept"
check "  as it was" cmp -n 131072 -i 1048576 "$scratch_dir/kept" \
	"$scratch_dir/alone.img"
is "A, which has given up, does not ask" "$(status_of $keep_local)" 5
# What the pair asks for is what is sent to it. By hand, for A would not; it says
# nothing more then, or what is said for it here would be a word of the past.
stop_daemon
is "A stops cleanly" $? 0
id=$(b_pair p pair_id)
is "B gives nothing up to the pair that it was promoted from" \
	"$(answer "$id" give_up '{"volume": "a"}')" 3
is "  and stays the primary" "$(b rpc-call get a state)" promoted
}
finish

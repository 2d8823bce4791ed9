#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of a group whose data are kept at the site
# that was promoted, the other one would give up a part, or what was not promoted;
# or who asked would not know what became of each.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"
. "$(dirname "$0")/lib-route.sh"

notes=$site_b/state/keeping
keep_local() {
	status_of b replicactl resolve "${1-a}" --group --keep local --yes "${@:2}"
}
# noted: of how many B has a note that it asks
noted() {
	find "$notes" -name '*.json' 2>/dev/null | wc -l
}
# note_that_it_asked VOLUME...: as one does whose answer was lost
note_that_it_asked() {
	local v
	mkdir -p "$notes"
	for v; do
		printf '{"schema_version": 1, "pair": "p", "pair_id": "%s"}\n' \
			"$(b_pair p pair_id)" >"$notes/$v.json"
	done
}
# a_says LINES: those are added to A's configuration
a_says() {
	stop_daemon
	cp "$scratch_dir/conf.plain" "$scratch_dir/conf"
	printf '%s\n' "$1" >>"$scratch_dir/conf"
	start_daemon
}
all_go_on() {
	check "  all go on" wait_until 60 all_are writes allowed
	is "  who asked waits for none of them" "$(noted)" 0
}
# in_the_record FILTER: what B's promotion of c says of itself
in_the_record() {
	local record=$site_b/state/promotions/c.json
	kill_b
	jq "$1" "$record" >"$scratch_dir/record" || bail "no record"
	cp "$scratch_dir/record" "$record"
	start_b
	wait_until 60 group_failed_over || bail "B is not promoted"
	wait_until 60 serves p || bail "B does not serve"
}

group_options=metadata=meta
replicate_group
make_group_epoch 11 0
cp "$scratch_dir/conf" "$scratch_dir/conf.plain"
lose_a
write_alone
b replicactl failover a --group --force >/dev/null || bail "no failover"
wait_until 60 serves p || bail "B does not serve"

a_says ''
check "the group is superseded" wait_until 60 all_are state superseded
is "who has not agreed to it gives nothing up" "$(keep_local)" 7
all_go_on
note_that_it_asked $members
is "that answers for what was asked before, too" "$(keep_local)" 7
all_go_on
a_says $'[pair p]\ngive_up=yes'
check "it is superseded still" wait_until 60 all_are state superseded
is "one volume of it alone is refused" \
	"$(status_of b replicactl resolve a --keep local --yes)" 5
check "  and what to say is told" says "one of 2 in group g.*say --group"
all_go_on
is "a dry run tells of each" "$(keep_local c --dry-run --json)" 0
is "  what is only there, and where" "$(jq -c '[.group, .pair, (.volumes[] |
	.volume, .pair, .lost_bytes >= 131072)]' "$scratch_dir/says")" \
	'["g","p","a","p",true,"c","p",true]'
keep_local a --dry-run >/dev/null
is "  in words, too" "$(grep -c \
	'at the other side of the pair p would be given up' \
	"$scratch_dir/says")" 2
all_go_on

sim-ctl meta c use
is "not while one of them is open there" "$(keep_local)" 5
check "  which is told" says "at the other side of the pair p: c: .*is in use"
sim-ctl meta c leave
all_go_on
in_the_record '.group = "other"'
is "not what was not promoted with it" "$(keep_local)" 5
check "  which is told" says "c is in group g there, too"
all_go_on
in_the_record '.group = "g"'
cp "$scratch_dir/conf.plain" "$scratch_dir/conf.whole"
sed -i '/^\[volume c\]/,$s/^group=g/group=h/' "$scratch_dir/conf.plain"
a_says $'[pair p]\ngive_up=yes'
wait_until 60 all_are state superseded || bail "it is not superseded"
is "nor where they are not one group there" "$(keep_local)" 5
check "  which is told" says "only 1 of the 2 that were promoted are in group g"
all_go_on
sed '/^\[volume a\]/,/^\[volume c\]/{/^\[volume c\]/!d}' \
	"$scratch_dir/conf.whole" >"$scratch_dir/conf.plain"
a_says $'[pair p]\ngive_up=yes'
wait_until 60 field_is c state superseded || bail "it is not superseded"
is "nor where one of them is not sent from there" "$(keep_local c)" 3
check "  which is told" says "nothing of that name is sent from there any more"
check "  the other one goes on" field_is c writes allowed
cp "$scratch_dir/conf.whole" "$scratch_dir/conf.plain"
mv "$state_dir/c.id" "$scratch_dir/c.id"
echo nonsense >"$state_dir/c.id"
a_says $'[pair p]\ngive_up=yes'
wait_until 60 field_is a state superseded || bail "it is not superseded"
is "nor where nobody knows of one of them there" "$(keep_local a)" 6
check "  which is told" says "only 1 of the 2 that were promoted are in group g"
is "  nor the other one by itself" \
	"$(status_of b replicactl resolve a --keep local --yes)" 5
check "  which is told" says "c is in group g, too,.* and does not run"
check "  it goes on" field_is a writes allowed
mv "$scratch_dir/c.id" "$state_dir/c.id"
is "  it is waited for what became of that one" "$(noted)" 1
a_says $'[pair p]\ngive_up=yes'
wait_until 60 all_are state superseded || bail "it is not superseded"
sim-ctl meta c use
is "  an answer ends that" "$(keep_local)" 5
sim-ctl meta c leave
all_go_on
mkdir -p "$notes/c.json.new"
is "nobody is asked while one of them cannot be noted" "$(keep_local)" 1
rmdir "$notes/c.json.new"
all_go_on

# B dies while A does it: whatever has become of it, B gives none of them up.
mkdir "$scratch_dir/hooks"
printf '#!/bin/sh\ntouch %s; while [ -e %s ]; do sleep 0.1; done\n' \
	"$scratch_dir/asked" "$scratch_dir/wait" >"$scratch_dir/hooks/before-demote"
chmod +x "$scratch_dir/hooks/before-demote"
touch "$scratch_dir/wait"
truncate -s 16M "$scratch_dir/on.img"
b replicactl enable c --target "local:$scratch_dir/on.img" >/dev/null ||
	bail "B does not send it on"
stop_daemon
sed -i "s,^\[replicad\],&\nhooks=$scratch_dir/hooks," "$scratch_dir/conf"
start_daemon
wait_until 60 all_are state superseded || bail "it is not superseded"
b replicactl resolve a --group --keep local --yes >/dev/null 2>&1 &
asking=$!
check "the other one does it" wait_until 60 test -e "$scratch_dir/asked"
is "each of them is noted" "$(noted)" 2
kill_b
wait $asking
rm "$scratch_dir/wait"
start_b
is "each of them is noted still" "$(noted)" 2
is "c is given up to nobody" \
	"$(status_of b replicactl resolve c --keep peer --yes)" 5
wait_until 60 serves p || bail "B does not serve"
check "A gives it up" wait_until 60 all_are writes refused

check "B learns it when it asks again" \
	wait_until 60 eval '[ "$(keep_local c)" = 0 ]'
is "  of each" "$(grep -c "was given up before at the other side" \
	"$scratch_dir/says")" 2
is "  and waits for none of them" "$(noted)" 0
for v in $members; do
	check "what was only in $v is kept aside there, as it was" has_salvage $v
done
is "both stay promoted at B" "$(jq -r .step \
	"$site_b"/state/promotions/?.json | sort -u)" active

# What A has disabled since is told of all the same, of some or of all.
for v in $members; do
	check "A disables $v" replicactl disable $v
	note_that_it_asked $members
	is "  it was given up: that is told of both" "$(keep_local)" 0
	is "  as what it is" "$(grep -c "was given up before at the other side" \
		"$scratch_dir/says")" 2
	is "  and none is waited for" "$(noted)" 0
done
check "A takes one of them up again" eval "replicactl enable c >/dev/null &&
	wait_until 60 field_is c state superseded"
is "the other one is in nobody's way" "$(keep_local)" 0
check "  it alone is given up anew" says "^c is given up at the other side"
check "  which is done" wait_until 60 field_is c writes refused
is "  and none is waited for" "$(noted)" 0
both_stop_cleanly
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who asks at the wrong site would be told no
# more than that it is the wrong one, or something would be done at a site that is
# not active.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-route.sh"

folder=$scratch_dir/volumes
mkdir "$folder"
# begin_a: its configuration; $routed, a line
begin_a() {
	begin_config
	[ -z "${routed-}" ] ||
		sed -i "s/^\[replicad\]/&\n$routed/" "$scratch_dir/conf"
	printf '[backend east]\ndriver=file\nfolder=%s\n[type plain]\ndriver=file\n' \
		"$folder" >>"$scratch_dir/conf"
}
snapshots() {
	replicactl snapshot v --names | xargs
}

begin_a
start_daemon
start_b
choose_port
invite p --history 1h --create "v:8MiB:$site_b/v.base" || bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
replicactl create v --size 8MiB --backend east --target pair:p >/dev/null ||
	bail "no volume"

# --- B is a replica, A active ------------------------------------------------------
is "path says so" "$(status_of b replicactl path v)" 8
check "  it is the other site's" says "the primary is at the other site"
is "  and where, if it may" "$(b replicactl path v --any-site)" p:/dev/mapper/v
is "  with the pair" "$(b replicactl path v --any-site --json | jq -r .pair)" p
check "a snapshot" b replicactl snapshot v one
is "  is at A" "$(snapshots)" one
is "  and is listed at B" "$(b replicactl snapshot v --names)" one
check "  whose path is no path here" eval 'b replicactl snapshot v |
	grep -q " on p:/"'
is "it is there already" "$(status_of b replicactl snapshot v one)" 5
check "  and who says so" says "at the other side of the pair p: .*of that name"
check "it grows" b replicactl extend v --size 12MiB
is "  at A" "$(of v size_bytes)" $((12 << 20))
is "but not twice" "$(status_of b replicactl extend v)" 5
check "a clone" b replicactl clone v w --type plain
is "  is at A" "$(of w backend) $(of w size_bytes)" "east $((12 << 20))"
check "  and of a snapshot" b replicactl clone v x --from one
is "  of A" "$(of x backend)" east
is "where it goes is not said from there" \
	"$(status_of b replicactl clone v y --target local:/tmp/x)" 2
is "what is no name is not asked for" "$(status_of b replicactl snapshot v a/b)" 2
is "nor what nobody has" "$(status_of b replicactl snapshot nobody one)" 3

# --- what the other side may say ----------------------------------------------------
id=$(b_pair p pair_id)
stop_daemon
is "what is active nowhere is done nowhere" "$(answer "$id" extend '{"volume": "v"}')" 8
is "nor what the pair has not" "$(answer "$id" extend '{"volume": "u"}')" 3
is "nor another verb" "$(answer "$id" failover '{"volume": "v"}')" 2
check "  which is said" says "no such verb"
is "nor by another pair" "$(status_of b rpc-call peer \
	'{"pair_id": "00", "message": "{}"}')" 3
check "another version is refused" eval 'b rpc-call peer "$(jq -nc --arg i "$id" \
	"{pair_id: \$i, message: \"{\\\"dm_replica_verbs\\\": 2}\"}")" |
	grep -q "version 2 of routed verbs"'
is "nor a deletion, where it has not agreed" \
	"$(answer "$id" delete '{"volume": "v", "disable": true}')" 7

# What comes from there goes to a terminal
b replicactl snapshot v red >"$scratch_dir/red" 2>&1 &
asker=$!
wait_until 60 asks "$id" || bail "B does not ask"
say "$id" '[]' "$(jq -nc --argjson i "$ask" \
	'[{id: $i, exit: 1, error: "\u001b[31mred\nline"}]')" >/dev/null
wait $asker
is "what it says is shown as it is" "$?$(grep -c "?\[31mred?line" \
	"$scratch_dir/red")$(grep -c $'\e' "$scratch_dir/red")" 110
start_daemon

is "nothing is taken away" "$(status_of b replicactl snapshot v --drop one --yes)" 3
is "  nor deleted" "$(status_of b replicactl delete v --disable --yes)" 3
is "  it is there" "$(snapshots) $(of v step)" "one ready"

stop_daemon
mkdir "$scratch_dir/away"
mv "$folder" "$scratch_dir"/v.* "$scratch_dir/away/"
start_daemon
is "what A itself may not use is not enlarged" "$(status_of b replicactl extend v)" 8
check "  which it says" says "at the other side of the pair p: v is not to be used"
stop_daemon
mv "$scratch_dir"/away/* "$scratch_dir/"

routed=routed=off
begin_a
start_daemon
is "with routed=off nothing is done" "$(status_of b replicactl snapshot v two)" 7
check "  and that is said" says "routed=off"
is "  nor told" "$(status_of b replicactl path v --any-site)" 7
is "  it was not" "$(snapshots)" one
routed=routed=look
stop_daemon
begin_a
start_daemon
is "with routed=look nothing is changed" "$(status_of b replicactl snapshot v two)" 7
is "  but told" "$(b replicactl path v --any-site)" p:/dev/mapper/v
is "  it was not" "$(snapshots)" one

printf '[pair p]\nrouted=on\n' >>"$scratch_dir/conf"
replicactl config reload >/dev/null || bail "no reload"
check "but this pair may, by its own section" b replicactl snapshot v two
is "  it was" "$(snapshots)" "one two"
sed -i 's/^routed=on$/routed=off/' "$scratch_dir/conf"
replicactl config reload >/dev/null || bail "no reload"
is "or may not even look" "$(status_of b replicactl path v --any-site)" 7
sed -i 's/^routed=off$/routed=default/' "$scratch_dir/conf"
replicactl config reload >/dev/null || bail "no reload"
is "what it does not say is as for all" "$(b replicactl path v --any-site)" p:/dev/mapper/v

# --- B takes over ------------------------------------------------------------------
wait_settled v 60 || bail "not settled"
b replicactl failover v --force >/dev/null 2>&1 || bail "no failover"
wait_until 60 field_is v state superseded || bail "it is not superseded"
is "what was made here is listed here" "$(snapshots)" "one two"
check "  and no more is made here" eval '[ "$(status_of replicactl extend v)" != 0 ] &&
	says "at the other side of the pair p: "'
finish

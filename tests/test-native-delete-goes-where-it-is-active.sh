#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site would delete what is active there because
# another site asks, without having agreed to that; or one that has agreed would not,
# or the site that asks would delete what it has itself.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-route.sh"

folder=$scratch_dir/volumes
mkdir "$folder"
# a_says [LINES]: its configuration, with those at its end; it is reloaded, or started
a_says() {
	begin_config
	printf '[backend east]\ndriver=file\nfolder=%s\n%s\n' "$folder" "${1-}" \
		>>"$scratch_dir/conf"
	[ -z "${daemon_pid-}" ] || replicactl config reload >/dev/null ||
		bail "no reload"
}
# What there is of v at A, and at B
at_a() {
	echo "$(of v step) $(find "$folder" -type f | wc -l)"
}
at_b() {
	(cd "$site_b" && find stage state/promotions v.base -name 'v*' 2>/dev/null) |
		sort | xargs
}
agreed=$'[pair p]\ndelete=yes'

a_says
start_daemon
start_b
choose_port
invite p --history 1h --create "v:8MiB:$site_b/v.base" \
	--create "u:8MiB:$site_b/u.base" || bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
replicactl create v --size 8MiB --backend east --target pair:p >/dev/null ||
	bail "no volume"
wait_settled v 60 || bail "not settled"
there="ready 2"
here="stage/v.log stage/v.volume v.base"
is "both have it" "$(at_a),$(at_b)" "$there,$here"

# --- B is a replica, A active ------------------------------------------------------
is "a replica is not asked about unless that is said" \
	"$(status_of b replicactl delete v --disable --yes)" 3
is "where nobody has agreed it is refused" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 7
check "  by the other site, which says how to" says "side of the pair p: .*delete=no"
is "but what would go is told" "$(b replicactl delete v --any-site --disable \
	--dry-run --json | jq -r '"\(.pair) \(.volume) \(.dry_run)"')" "p v true"
a_says $'[pair q]\ndelete=yes'
is "another pair's yes is none" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 7
a_says $'[pair p]\ngive_up=yes'
is "nor is that of another verb" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 7
a_says "$agreed"$'\nrouted=look'
is "nor where nothing may be changed" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 7
a_says "$agreed"
is "it is not deleted unasked" \
	"$(status_of b replicactl delete v --any-site --disable </dev/null)" 5
mkdir "$site_b/other"
b replicactl pair invite r --address "127.0.0.1:$((port + 1))" --listen 127.0.0.1 \
	--dir "$site_b/other" --create "v:8MiB:$site_b/other.base" \
	>"$scratch_dir/token" 2>/dev/null && join_pair r >/dev/null ||
	bail "no other pair"
wait_until 60 test -e "$site_b/other/v.volume" || bail "B does not serve r"
is "nor where two pairs have a replica of it" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 5
check "  which this site says" says "more than one pair"
b replicactl pair revoke r >/dev/null && replicactl pair revoke r >/dev/null ||
	bail "r is not revoked"
make_volume u 8
replicactl enable u --target pair:p --metadata none >/dev/null 2>&1 && wait_settled u 60 ||
	bail "u is not replicated"
is "nor what was not made there, of which nobody says that there is none" \
	"$(status_of b replicactl delete u --any-site --disable --yes)" 5
check "  but why" says "side of the pair p: .*u was not made here"
is "nor as a group" "$(status_of b replicactl delete v --any-site --group --disable \
	--yes)" 2
replicactl pause v >/dev/null
replicactl create w --size 8MiB --backend east --target pair:p/v >/dev/null 2>&1 ||
	bail "no other volume"
wait_until 60 field_is w state error || bail "two are sent by one name"
is "what is sent by its name, too, is not what would go" "$(b replicactl delete v \
	--any-site --disable --dry-run --json | jq -r .volume)" v
replicactl delete w --disable --yes >/dev/null || bail "it does not go"
replicactl resume v >/dev/null
is "nor while it is replicated" "$(status_of b replicactl delete v --any-site --yes)" 5
sim-ctl meta v use
is "nor while it is in use" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 5
check "  which the other site says" says "side of the pair p: .*in use"
sim-ctl meta v leave
is "all that has changed nothing" "$(at_a),$(at_b)" "$there,$here"
is "who has agreed does it" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 0
check "  which is told as of there" says "^v is gone: 8.* on p:$folder/"
is "  there it is gone, here is the replica" "$(at_a),$(at_b)" " 0,$here"
is "it is not there twice" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 3

# A new one of that name is not what the replica is of
replicactl create v --size 8MiB --backend east --target pair:p >/dev/null 2>&1 ||
	bail "no second volume"
wait_until 60 field_is v state error || bail "it is taken for the other one"
is "another one of that name is not deleted" \
	"$(status_of b replicactl delete v --any-site --disable --yes)" 5
check "  for it is another one" says "side of the pair p: .*another one"
is "  nor is that told as a dry run" "$(status_of b replicactl delete v --any-site \
	--disable --dry-run)" 5
is "  it is there" "$(at_a)" "$there"
replicactl delete v --disable --yes >/dev/null || bail "it does not go"
check "the replica goes by its own verb" b replicactl delete v --replica \
	--dir "$stage_dir" --yes
is "  all is gone" "$(at_a),$(at_b)" " 0,"
is "a replica is of no other site" "$(status_of b replicactl delete v --replica \
	--any-site --dir "$stage_dir" --yes)" 2

# --- A is superseded, B active -----------------------------------------------------
b replicactl pair revoke p >/dev/null || bail "B does not revoke"
replicactl disable u >/dev/null && replicactl pair revoke p >/dev/null ||
	bail "A does not revoke"
invite p --history 1h --create "v:8MiB:$site_b/v.base" || bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
replicactl create v --size 8MiB --backend east --target pair:p >/dev/null ||
	bail "no volume"
wait_settled v 60 || bail "not settled"
is "where it is active it is deleted at once" \
	"$(replicactl delete v --any-site --disable --dry-run --json |
	jq -c '[.pair, .volume]')" '[null,"v"]'
b replicactl failover v --force >/dev/null 2>&1 || bail "no failover"
wait_until 60 field_is v state superseded || bail "it is not superseded"
had=$(at_b)
is "what was promoted is not deleted there unless that is agreed" \
	"$(status_of replicactl delete v --any-site --yes)" 7
is "  nor asked for unless that is said" "$(status_of replicactl delete v --yes)" 5
check "  which this site says" eval '! says "other side"'
is "  all is there" "$(at_a),$(at_b)" "$there,$had"
printf '%s\n' "$agreed" >>"$site_b/conf"
b replicactl config reload >/dev/null || bail "no reload"
b sim-ctl meta v use
is "nor while it is in use there" "$(status_of replicactl delete v --any-site --yes)" 5
b sim-ctl meta v leave
id=$(b_pair p pair_id)
stop_daemon
is "nor by its name alone" "$(answer "$id" delete '{"volume": "v"}')" 2
is "nor by the id of another one" "$(answer "$id" delete \
	"{\"volume\": \"v\", \"volume_id\": \"$(printf '%032d' 1)\"}")" 5
start_daemon
wait_until 60 field_is v state superseded || bail "it is not superseded"
check "it goes there" eval 'replicactl delete v --any-site --yes --json \
	>"$scratch_dir/says"'
is "  which is told, though the server has stopped for it" \
	"$(jq -c '[.pair, .volumes[0].volume, .volumes[0].base_kept]' \
	"$scratch_dir/says")" '["p","v",false]'
is "  what is here stays" "$(at_a),$(at_b)" "$there,"
wait_until 60 serves p || bail "B does not serve again"
is "it is not there twice" "$(status_of replicactl delete v --any-site --yes)" 3
replicactl disable v >/dev/null || bail "not disabled"
is "what was active here, and is elsewhere, does not go for it" \
	"$(status_of replicactl delete v --any-site --yes)" 8
is "  all of it is here" "$(at_a)" "$there"
check "what is here goes by its own verb" replicactl delete v --yes
is "  all is gone" "$(at_a),$(at_b)" " 0,"
is "what was made here and goes nowhere is deleted here" "$(
	replicactl create v --size 8MiB --backend east >/dev/null
	replicactl delete v --any-site --yes >/dev/null; echo $?; at_a)" $'0\n 0'
both_stop_cleanly
finish

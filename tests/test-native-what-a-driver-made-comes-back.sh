#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume that create has made could, after a
# failover and the way back, not be replicated again, or would not grow any more,
# have no snapshots, or be deleted under its replica.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

mib=1048576
folder=$scratch_dir/volumes
quick="--heartbeat 200ms --interval 20ms"
mkdir "$folder" "$scratch_dir/stage"
# of FIELD: of the volume, at A
of() {
	replicactl create --json | jq -r ".volumes[] | select(.volume == \"a\") | .$1"
}
b_is() {
	[ "$(b rpc-call get a state)" = "$1" ]
}
b_settled() {
	b_is replicating && [ "$(b rpc-call get a dirty_bytes)" = 0 ] &&
		[ "$(b rpc-call get a epoch)" = 0 ]
}
# would_go COMMAND...: whose, and which base
would_go() {
	"$@" delete a --any-site --disable --dry-run --json |
		jq -r '"\(.pair) \(.volumes[0].base)"'
}
base_is() {
	is "  its base" "$(stat -c %s "$base")" $(($1 * mib))
	is "  its device" "$(sim-ctl get a sectors)" $(($1 * 2048))
	is "  its record" "$(of size_bytes) $(of step)" "$(($1 * mib)) ready"
}

begin_config
sed -i "s|^\[replicad\]|&\nplugin=$plugin_so|" "$scratch_dir/conf"
printf '[backend east]\ndriver=file\nfolder=%s\n' "$folder" >>"$scratch_dir/conf"
start_daemon
start_b
choose_port
invite p --history 1h --create "a:8MiB:$site_b/a.base" || bail "no invitation"
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
replicactl create a --size 8MiB --target pair:p >/dev/null || bail "no volume"
wait_settled a 60 || bail "not settled"
base=$(of base)
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
b sim-ctl write a $mib $mib 31
start_daemon
wait_until 60 field_is a state superseded || bail "A is not superseded"
replicactl resolve a --keep peer >/dev/null || bail "A does not give up"
replicactl disable a >/dev/null || bail "A does not let it go"

# --- the way back -----------------------------------------------------------------
choose_port
replicactl pair invite q --address "127.0.0.1:$port" --listen 127.0.0.1 \
	--dir "$scratch_dir/stage" --history 1h --create "a:8MiB:$base" \
	>"$scratch_dir/token" || bail "A does not invite"
b replicactl pair join q <"$scratch_dir/token" || bail "B does not join"
# shellcheck disable=SC2086 # words
b replicactl enable a --target pair:q $quick >/dev/null || bail "B does not send it"
check "A has it" wait_until 60 b_settled
refuses "a replica's base is not deleted" "replica" replicactl delete a --yes
check "A asks B to make it larger" replicactl extend a --size 100MiB
is "  it is, there" "$(stat -c %s "$site_b/a.base")" $((100 * mib))
check "  and here, when it is shipped" wait_until 60 eval 'b_settled &&
	[ "$(stat -c %s "$base")" = $((100 * mib)) ]'
check "A asks B for a clone" replicactl clone a c
is "  which is there, not here" "$(replicactl create --names | xargs) $(
	b replicactl create --names | xargs)" "a c"
refuses "B deletes it for nobody, unasked" "side of the pair q: .*delete=no" \
	replicactl delete a --any-site --disable --yes
is "  but it is B's that would go" "$(would_go replicactl)" \
	"q $site_b/a.base"
cp "$site_b/a.base" "$scratch_dir/at-b.img"
kill_b
check "A takes over" replicactl failover a --force
check "  with all that B had" cmp "$scratch_dir/at-b.img" "$base"

# --- it is what it was ------------------------------------------------------------------
check "it grows" replicactl extend a --size 150MiB
base_is 150
check "  with room in its metadata" test \
	"$(stat -c %s "$scratch_dir/stage/a.meta")" -ge \
	"$(replicactl kernel meta-size $((150 * 2048)) --json | jq .meta_bytes)"
check "a snapshot" replicactl snapshot a one
check "  is one" cmp "$base" "$(replicactl snapshot a --json |
	jq -r '.snapshots[0].path')"
check "a clone" replicactl clone a c
is "  is of its backend" "$(replicactl create --json | jq -r \
	'.volumes[] | select(.volume == "c").backend')" east
check "the snapshot goes" replicactl snapshot a --drop one --yes
is "  the volume stays what was made" "$(of step) $(of backend)" "ready east"
start_b
wait_until 60 b_is superseded || bail "B is not superseded"
refuses "A deletes it for nobody, unasked" "side of the pair q: .*delete=no" \
	b replicactl delete a --any-site --disable --yes
is "  but it is A's that would go" "$(would_go b replicactl)" "q $base"
b replicactl disable a >/dev/null || bail "B does not disable it"
refuses "what was active at B, and is disabled, does not go for it" "taken over" \
	b replicactl delete a --any-site --yes
check "  it is there" test -s "$site_b/a.base"
# shellcheck disable=SC2086 # words
b replicactl enable a --target pair:q $quick >/dev/null
wait_until 60 b_is superseded || bail "B is not superseded again"
b replicactl resolve a --keep peer >/dev/null || bail "B does not give up"
b replicactl disable a >/dev/null 2>&1
refuses "nor when it was given up" "not known" \
	b replicactl delete a --any-site --yes
b replicactl pair revoke p >/dev/null || bail "B does not revoke"
choose_port
mkdir "$site_b/again"
b replicactl pair invite r --address "127.0.0.1:$port" --listen 127.0.0.1 \
	--dir "$site_b/again" --create "a:150MiB:$site_b/again.base" \
	>"$scratch_dir/token" || bail "B does not invite"
join_pair r || bail "A does not join"
# shellcheck disable=SC2086 # words
check "it is replicated again" replicactl enable a --target pair:r $quick
check "  it is" wait_settled a 60
check "  as it is here" cmp -n $((150 * mib)) "$base" "$site_b/again.base"
check "it grows while it is" replicactl extend a --size 160MiB
base_is 160
check "  B gets that" wait_settled a 60

# --- it goes ------------------------------------------------------------------------------
refuses "it is not deleted while it is replicated" "say --disable" \
	replicactl delete a --yes
sim-ctl meta a use
refuses "  nor in use" "in use" replicactl delete a --disable --yes
sim-ctl meta a leave
check "what would go" eval 'replicactl delete a --disable --dry-run |
	grep -q "^a would go: 160 MiB, as of epoch [0-9]*, on $base$"'
is "  is there" "$(field a state) $(of step)" "replicating ready"
check "it is deleted" replicactl delete a --disable --yes
is "  all of it" "$(replicactl create --names | xargs)|$(ls "$state_dir/promotions" \
	"$state_dir/made" | grep -c json)|$(find "$folder" "$scratch_dir/stage" \
	-name 'a*')" "c|1|"
is "  what is known of it, too" "$(ls "$state_dir"/a.id 2>/dev/null)" ""
check "its replica stays" test -s "$site_b/again.base"
check "another one of that name" replicactl create a --size 8MiB
both_stop_cleanly
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: what was promoted could never be removed, or it
# would be removed in parts, in use, or unasked; or a death on the way would leave
# a primary of which nobody knows that it was given up.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

delete() {
	b replicactl delete "$@"
}
# What there is of the group at B: its promotions, its stage, its bases
left() {
	(cd "$site_b" || exit
	find state state/promotions stage -maxdepth 1 -name '[acg].*' ! -name '*.key'
	ls a.base c.base) 2>/dev/null | sort | xargs
}
is_gone() {
	[ -z "$(left)" ]
}
params() {
	grep -rho 'create=g/[ac]:' "$site_b/state/pairs" | xargs
}
promoted() {
	[ "$(b rpc-call get a state) $(b rpc-call get c state)" = "promoted promoted" ]
}

replicate_group
make_group_epoch 11 0
make_group_epoch 12 32768
lose_a
refuses "a replica is deleted by another verb" "delete --replica" delete a --yes
b replicactl failover a --group --force >/dev/null || bail "no failover"
kill_b
cp -a "$site_b" "$scratch_dir/kept"
start_b
wait_until 60 promoted || bail "not active"
before=$(left)
[ "$(params)" = "create=g/a: create=g/c:" ] || bail "no parameters: $(params)"

refuses "a member alone is not deleted" "of the group g, which goes as a whole" \
	delete a --yes
refuses "nor the group without a yes" "--yes" delete a --group </dev/null
b sim-ctl meta c use
refuses "nor while one of it is in use" "c is in use" delete a --group --yes
b sim-ctl meta c leave
b replicactl snapshot c one >/dev/null || bail "no snapshot"
refuses "nor while one of it has snapshots" "c has snapshots" delete a --group --yes
b replicactl snapshot c --drop one --yes >/dev/null || bail "not dropped"
mkdir -p "$scratch_dir/t"
b replicactl enable c --target "local:$scratch_dir/t/c" >/dev/null || bail "not enabled"
refuses "nor while one of it is replicated" "c is replicated" delete a --group --yes
b replicactl disable c >/dev/null || bail "not disabled"
is "what would go" "$(delete c --group --dry-run --json |
	jq -c '[.volumes[].volume] | sort')" '["a","c"]'
is "  is there still, as before" "$(left)" "$before"
check "  and works" promoted
check "the group is deleted" delete c --group --yes
check "  all of it" is_gone || note "$(left)"
is "  no volume is known" "$(b rpc-call status | jq '.volumes | length')" 0
is "  nor would the pair's server make them again" "$(params)" ""
b_stops_cleanly

# The folders stay: they are known by more than their names.
restore() {
	find "$site_b" -mindepth 1 ! -type d -delete
	cp -a "$scratch_dir/kept/." "$site_b"
}
# One note says it of all: whoever dies after it gives up all.
dies_at() {
	restore
	SIM_DIE_AT=$1 SIM_DIE_TURN=${2:-1} start_b
	wait_until 60 promoted || bail "not active"
	delete a --group --yes >"$scratch_dir/said" 2>&1
	wait_until 30 is_dead || bail "it does not die: $(cat "$scratch_dir/said")"
	wait $b_pid
	is "dies at \"$1\"${2:+, the second}" $? 137
	start_b
}
is_dead() {
	! kill -0 $b_pid 2>/dev/null
}
are_replicas() {
	! ls "$site_b"/state/promotions/[ac].json >/dev/null 2>&1
}
for step in leaving-noted ending-retired ending-noted ending-removed "ending-forgotten 2"; do
	dies_at $step
	check "  then all are given up" wait_until 60 are_replicas
	refuses "  they are replicas" "delete --replica" delete a --group --yes
	is "  and go as such" "$(delete a --replica --dir "$stage_dir" --group --yes |
		grep -c "\.base, which stays$")" 2
	is "  but for their bases" "$(left)" "a.base c.base"
	b_stops_cleanly
done

# Where its fence, or its record, cannot say it, it is over all the same.
for file in "$stage_dir/c.fence" "$site_b/state/promotions/c.json"; do
	restore
	start_b
	wait_until 60 promoted || bail "not active"
	mkdir "$file.new"
	refuses "whose ${file##*/} cannot be written is given up, and told" \
		"replicactl recover .* goes on" delete a --group --yes
	is "  it is no primary any more" "$(b rpc-call get c state)" superseded
	refuses "  nothing of its stage goes while it is there" "c.* was promoted" \
		delete a --replica --dir "$stage_dir" --group --yes
	check "  its metadata stay" test -s "$stage_dir/c.meta"
	rmdir "$file.new"
	check "  when that is mended recover ends it" b replicactl recover c
	check "  it is a replica" wait_until 30 are_replicas
	check "  and goes as such" delete a --replica --dir "$stage_dir" --group --yes
	is "  but for their bases" "$(left)" "a.base c.base"
	b_stops_cleanly
done

# What cannot be noted is not done.
restore
start_b
wait_until 60 promoted || bail "not active"
rm -rf "$site_b/state/given-up"
touch "$site_b/state/given-up"
refuses "what cannot be noted" "cannot be noted: Not a directory$" delete a --group --yes
rm "$site_b/state/given-up"
ln -s missing "$site_b/state/given-up"
refuses "  nor this" "cannot be noted: No such file or directory$" \
	delete a --group --yes
check "  is the primary still" promoted
b_stops_cleanly
rm "$site_b/state/given-up"
start_b
check "  also at the next start" wait_until 60 promoted
b_stops_cleanly

# One that was promoted by itself is none of those that go (here: of another time).
c_json=$site_b/state/promotions/c.json
cp "$c_json" "$scratch_dir/c.json"
jq '.generation |= (if .[0:1] == "0" then "1" else "0" end) + .[1:]' \
	"$scratch_dir/c.json" >"$c_json"
start_b
wait_until 60 promoted || bail "not active"
refuses "one of another promotion does not go with it" "c is in its group in the stage" \
	delete a --group --yes
check "  and both are there" promoted
b_stops_cleanly
cp "$scratch_dir/c.json" "$c_json"
start_b
check "  they are primaries, as before" wait_until 60 promoted
check "  and goes" delete a --group --yes
check "  all of it" is_gone || note "$(left)"
b_stops_cleanly
finish

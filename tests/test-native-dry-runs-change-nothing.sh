#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who only asks what a change of the configuration,
# of a target or of a type would do would have it done, or be told something else.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

# What there is, but for what goes on by itself
all() {
	cat "$state_dir"/{volumes,targets}.conf 2>/dev/null
	replicactl targets --json | jq -c 'del(.. | .lag_s?, .connections?, .state?)'
	rpc-call status | jq -c '[.volumes[] | [.name, .target, .reconnects]] | sort'
}
# would KEYS COMMAND...: the lists of its answer, dry; and nothing has changed
would() {
	local before
	before=$(all)
	"${@:2}" --dry-run --json | jq -c ".dry_run, ($1)" | xargs |
		sed 's/ *$//'
	[ "$(all)" = "$before" ] || echo "but it has changed: $(all)"
}
lists='[.added, .changed, .removed, .restart] | map(join(" ")) | join("; ")'

for name in a b r; do
	make_volume $name 2
	truncate -s 4M "$scratch_dir/$name."{one,two}
done
begin_config
for target in one two; do
	printf '[target %s]\nuri=local:%s/{volume}.%s\n' $target "$scratch_dir" $target
done >"$scratch_dir/targets"
cat "$scratch_dir/targets" - >>"$scratch_dir/conf" <<END
[type t]
replication:target=one, two
[type u]
replication:target=two
[volume a]
type=t
[volume b]
type=t
END
start_daemon
rpc-call enable '{"volume":"r","options":{"type":"t"}}' >/dev/null || bail "no r"
replicactl target add three uri=local:/x >/dev/null || bail "no target"
for name in a b r; do
	wait_settled $name 60 || bail "$name does not ship"
done

# --- the files ----------------------------------------------------------------------
is "nothing new: nothing would change" "$(would "$lists" replicactl config reload)" \
	"true ; ; ;"
begin_config 2
cat "$scratch_dir/targets" - >>"$scratch_dir/conf" <<END
[target four]
uri=local:/y
[type t]
replication:target=two, one
[type u]
replication:target=two
[volume a]
type=t
interval=50ms
[volume c]
target=local:$scratch_dir/c.one
END
for time in once again; do
	is "added, changed, removed, at the next start ($time)" \
		"$(would "$lists" replicactl config reload)" "true c; a r; b; reactors"
done
check "for people" eval 'replicactl config reload --dry-run | grep -qx "changed: a"'
echo 'intervall=1s' >>"$scratch_dir/conf"
refuses "what is wrong is refused" 'nearest is "interval"' \
	replicactl config reload --dry-run
sed -i '$d' "$scratch_dir/conf"
refuses "of reload only" 'is of reload' replicactl config check --dry-run \
	--config "$scratch_dir/conf"

# --- targets and types --------------------------------------------------------------
keys='.changed | sort | join(" ")'
is "a target that is off" "$(would "$keys" replicactl target set three enabled=no)" "true"
is "one that is new" "$(would "$keys" replicactl target add five uri=local:/z)" "true"
is "one that goes" "$(would "$keys" replicactl target remove three)" "true"
is "one that is preferred" "$(would "$keys" replicactl target use two r)" "true r"
refuses "what would be refused, is" 'three, which it prefers, is no' \
	replicactl target use three r --dry-run
is "a type" "$(would "$keys" replicactl set-type r u)" "true r"
refuses "one that would be refused, is" 'no \[type v\]' \
	replicactl set-type r v --dry-run

make_volume c 2
truncate -s 4M "$scratch_dir/c.one"
is "then it is done as it was told" "$(replicactl config reload --json |
	jq -r "$lists")" "c; a r; b; reactors"
check "  and ships" wait_settled c 60
is "  r has the other target" "$(field r target)" "local:$scratch_dir/r.two"
stop_daemon
is "it stops cleanly" $? 0
finish

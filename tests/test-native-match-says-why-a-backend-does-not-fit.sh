#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume would be put where its type cannot
# be had, or replicated in another way than its type says, without a word.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

make_volume a
start_target a
begin_config
cat >>"$scratch_dir/conf" <<END
[west]
volume_backend_name=gold-west
replication_device=backend_id:t1,host:h1
replication_device=backend_id:t2,host:h2
[east]
volume_driver=x
valid_replication_devices='backend=gold-west'
[backend alone]
volume_driver=x
[target site-b]
uri=nbd+unix:///?socket=$scratch_dir/{volume}.nbd
[type any]
replication_enabled=<is> True
[type seed]
replication_capable=True
[type liberty]
replication=enabled
[type two]
replication_enabled=<is> True
replication_count=>= 2
replication:interval=20ms
hpe3par:group=x
[type named]
capabilities:volume_backend_name=<or> gold-west <or> silver
[type sync]
replication_type=<in> sync
[type none]
replication_enabled=<is> False
[type frob]
frobs=<is> True
END
# match TYPE: the backends that fit
match() {
	replicactl match "$1" --config "$scratch_dir/conf" --json |
		jq -r '[.backends[] | select(.match) | .backend] | join(" ")'
}
# why TYPE BACKEND
why() {
	replicactl match "$1" --config "$scratch_dir/conf" --json | jq -r --arg b \
		"$2" '.backends[] | select(.backend == $b) | .reason'
}
is "a backend that is reached by no pairing is no target" "$(match any)" west
is "why not" "$(why any east)" \
	'east: replication_enabled is "False", and the type wants <is> True'
is "the seed's spelling" "$(match seed)" west
is "Liberty's" "$(match liberty)" west
is "a number; other scopes are no question" "$(match two)" west
is "why not" "$(why two alone)" \
	'alone: replication_enabled is "False", and the type wants <is> True'
is "the scope capabilities" "$(match named)" west
is "what cannot be had" "$(match sync)" ""
is "why not" "$(why sync west)" \
	'west: replication_type is "async", and the type wants <in> sync'
is "not replicated" "$(match none)" "east alone"
is "a capability that there is not" "$(why frob west)" \
	"west: frobs is nothing that it has, and the type wants <is> True"
status=0
replicactl match sync --config "$scratch_dir/conf" >"$scratch_dir/out" || status=$?
is "none fits: exit status" $status 3
check "for people" grep -qx 'no   west: replication_type is .*' "$scratch_dir/out"
refuses "a type that is not there" 'no \[type tow\], the nearest is "two"' \
	replicactl match tow --config "$scratch_dir/conf"
is "capabilities" "$(replicactl capabilities gold-west --json \
	--config "$scratch_dir/conf" | jq -c '.backends.west |
	[.replication_enabled, .replication_type, .replication_count,
	.replication_targets, .group_replication_enabled]')" \
	'[true,["async"],2,["t1","t2"],true]'
is "and what none can do otherwise, and in which versions" "$(replicactl \
	capabilities --json --config "$scratch_dir/conf" | jq -c '[(.limits |
	.chunk_bytes_min, .chunk_bytes_max, .group_volumes_max), (.versions |
	.netlink, .metadata, .header, .stage, .verbs)]')" \
	'[4096,1048576,4096,1,1,1,1,1]'
is "the program's version is told" "$(replicactl capabilities --json --config \
	"$scratch_dir/conf" | jq -r .versions.dm_replica)" \
	"$(replicactl --version | awk '{ print $NF }')"
is "and whether the module is loaded" "$(replicactl capabilities --json \
	--config "$scratch_dir/conf" | jq .versions.module_loaded)" \
	"$([ -e /sys/module/dm_replica ] && echo true || echo false)"
# --- of a pool ----------------------------------------------------------------------
pooled() {
	replicactl capabilities --pool "$1" --json --config "$scratch_dir/pools" |
		jq -c ".pools.$1 | $2"
}
cat "$scratch_dir/conf" - >"$scratch_dir/pools" <<END
[pool fast]
members=db-*
replicate=all
[pool slow]
members=log-*
[pool none]
members=x-*
[volume db-1]
targets=site-b
[volume db-2]
targets=site-b
[volume log-1]
target=local:/dev/null
END
is "a pool: what all of it can do" "$(pooled fast '[.replication_enabled,
	.replication_targets, .replication_count,
	.consistent_group_replication_enabled, [.volumes[].name]]')" \
	'[true,["site-b"],1,true,["db-1","db-2"]]'
is "one that is not cut in one instant" "$(pooled slow '[.replication_enabled,
	.consistent_group_replication_enabled, .replication_count]')" \
	'[true,false,0]'
is "one without a volume" "$(pooled none '[.replication_enabled, .reason]')" \
	'[false,"the files have no volume of it"]'
refuses "one that is not there" 'no \[pool fats\], the nearest is "fast"' \
	replicactl capabilities --pool fats --config "$scratch_dir/pools"
start_daemon
enable() {
	rpc-call enable "{\"volume\":\"a\",\"options\":{\"targets\":\"site-b\",\"type\":\"$1\"}}"
}
refuses "enable as a type that cannot be had" \
	'not for the type sync: this site: replication_type is "async"' \
	enable sync
refuses "enable as one that is not replicated" \
	'volumes of the type none are not replicated' enable none
refuses "enable as one that wants two targets" 'replication_count is "1"' enable two
is "nothing was enabled" "$(rpc-call status | jq '.volumes | length')" 0
check "enable as one that can be had" enable any
check "it is replicated" replica_equals a
printf '[volume b]\ntype=sync\ntargets=site-b\n' >>"$scratch_dir/conf"
refuses "also in the file" 'conf:.*volume b is not for the type sync' \
	replicactl config check --config "$scratch_dir/conf"
finish

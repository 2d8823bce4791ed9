#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume would not get what its type and its
# target say, also from the folder of further files, also after a restart; or
# "config show" would name another origin than the true one.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

# value VOLUME KEY: "VALUE ORIGIN", without the folder
value() {
	replicactl config show --config "$scratch_dir/conf" "volume $1" --json |
		jq -r --arg k "$2" '.sections[].keys[] | select(.key == $k) |
		"\(.value) \(.origin)"' | sed "s|$scratch_dir/||"
}
make_volume a
make_volume b
start_target a
start_target b
begin_config
mkdir "$scratch_dir/conf.d"
cat >"$scratch_dir/conf.d/10-site.conf" <<END
[target site-b]
uri=nbd+unix:///?socket=$scratch_dir/{volume}.nbd
[type gold]
replication_enabled=<is> True
replication:interval=20ms
replication:heartbeat=200ms
replication:stale_wait=0
replication:target=site-b
END
printf '[volume a]\ntype=gold\nheartbeat=300ms\n' >"$scratch_dir/conf.d/20-a.conf"
echo 'no file of ours' >"$scratch_dir/conf.d/readme"
check "it is good" replicactl config check --config "$scratch_dir/conf"
is "its own line" "$(value a heartbeat)" "300ms conf.d/20-a.conf:3"
is "its type" "$(value a interval)" "20ms type gold"
is "the default" "$(value a window)" "64MiB default"
is "its target" "$(value a target)" "$(uri_of a | sed "s|$scratch_dir/||") target site-b"
start_daemon
check "it is replicated there" replica_equals a
refuses "enable with a type that is not there" \
	'no \[type golt\], the nearest is "gold"' \
	rpc-call enable '{"volume":"b","options":{"type":"golt"}}'
check "enable with one" rpc-call enable '{"volume":"b","options":{"type":"gold"}}'
check "it is replicated, too" replica_equals b
is "what is kept is only what was said" \
	"$(sed 1d "$state_dir/volumes.conf")" $'[volume b]\ntype=gold'
sed -i 's/interval=20ms/interval=30ms/' "$scratch_dir/conf.d/10-site.conf"
is "so it follows its type" "$(value b interval)" "30ms type gold"
is "the line of what was said at run time" "$(value b type)" "gold state/volumes.conf:3"
stop_daemon
start_daemon
check "and is there after a restart" replica_equals b
refuses "a section that is not there" 'there is no section nowhere' \
	replicactl config show --config "$scratch_dir/conf" nowhere
printf '[volume a]\ntarget=local:/x\n' >"$scratch_dir/conf.d/30.conf"
refuses "a volume twice: both places" \
	'30.conf:1: volume a is there already: .*20-a.conf:1' \
	replicactl config check --config "$scratch_dir/conf"
finish

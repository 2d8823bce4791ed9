#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume would not follow the type that it is
# given while it is in use, be without it after a restart, or a type that is refused
# would change something (Cinder's defect: a retype that says enabled and does nothing).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

value() {
	replicactl config show --config "$scratch_dir/conf" "volume v" --json |
		jq -r --arg k "$1" '.sections[].keys[] | select(.key == $k) | .value'
}
same_as() { # TARGET-FILE
	wait_settled v 40 &&
		cmp -n $((native_mib * 1048576)) "$scratch_dir/v.img" \
			"$scratch_dir/$1.target"
}
make_volume v
make_volume f
for name in east west f; do
	start_target $name
done
begin_config
configure f
for name in east west; do
	cat >>"$scratch_dir/conf" <<END
[target $name]
uri=nbd+unix:///?socket=$scratch_dir/$name.nbd
[type $name]
replication_enabled=<is> True
replication:target=$name
replication:stale_wait=100ms
replication:heartbeat=200ms
replication:interval=2${#name}ms
END
done
printf '[type %s]\nreplication:target=west\n%s\n' \
	sync 'replication_type=<in> sync' \
	none 'replication_enabled=<is> False' >>"$scratch_dir/conf"
sed -i 's/^replication:interval=24ms/replication:interval=30ms/' "$scratch_dir/conf"
start_daemon
check "a volume of a type" rpc-call enable \
	'{"volume":"v","options":{"type":"east","window":"8MiB"}}'
check "it goes where that says" same_as east
before=$(cat "$state_dir/volumes.conf")
refuses "a type that is not there" 'no \[type weest\], the nearest is "west"' \
	replicactl set-type v weest
refuses "a type that it does not fit" 'not for the type sync' \
	replicactl set-type v sync
refuses "a type that is not replicated" 'type none are not replicated' \
	replicactl set-type v none
refuses "no type: then it had no target" 'no target=' replicactl set-type v ''
refuses "a volume of a file" 'is of a file: change type=' replicactl set-type f west
refuses "a volume that is not there" 'no volume x' replicactl set-type x west
is "nothing has changed" "$(cat "$state_dir/volumes.conf")" "$before"
check "it goes on" same_as east
sim-ctl write v 8192 8192 3
check "another type" replicactl set-type v west
check "it goes there" same_as west
sim-ctl write v 4096 8192 5
check "also what is new" same_as west
is "its own keys stay" "$(value window)" 8MiB
check "the same again" eval 'replicactl set-type v west | grep "had that type"'
kill_daemon
start_daemon
is "after a restart, too" "$(value type)" west
sim-ctl write v 0 8192 8
check "and it goes on there" same_as west
mkdir "$scratch_dir/away"
mv "$scratch_dir"/v.* "$scratch_dir/away"
refuses "without its device: it is told" 'It has the type, but does not run' \
	replicactl set-type v east
is "but the type is kept" "$(value type)" east
stop_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a hook of a big group would be told of some
# of its volumes only, or its answer would be taken for a group that has become
# another one meanwhile.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-hooks.sh"

h=$hooks_a/before-syncing
begin_config
names=()
for i in {10..39}; do
	name=a-volume-with-a-name-that-is-long-$i
	sim-ctl create "$name" 1048576 || bail "no volume"
	printf '%s\n' "[volume $name]" "target=local:$scratch_dir/$name.target" \
		group=g interval=20ms >>"$scratch_dir/conf"
	truncate -s 2M "$scratch_dir/$name.target"
	names+=("$name")
done
first=${names[0]} last=${names[29]}

hook "$h" "while [ -e '$scratch_dir/block' ]; do sleep 0.05; done"
touch "$scratch_dir/block"
start_daemon
wait_until 60 has_run "$h" 1 || bail "it is not run"
is "it is given the group" "$(given "$h" REPLICA_GROUP)" g
is "  its first volume" "$(given "$h" REPLICA_VOLUME)" "$first"
is "  and all of them" "$(given "$h" REPLICA_VOLUMES)" "${names[*]}"
check "a member leaves while it runs" replicactl disable "$last"
check "  the others ask again" wait_until 60 has_run "$h" 2
is "  for themselves" "$(given "$h" REPLICA_VOLUMES)" "${names[*]:0:29}"
check "the first one leaves" replicactl disable "$first"
check "  the others ask again" wait_until 60 has_run "$h" 3
is "  for themselves" "$(given "$h" REPLICA_VOLUMES)" "${names[*]:1:28}"
is "  nothing was copied meanwhile" "$(field "${names[1]}" state)" connecting
rm "$scratch_dir/block"
check "  then they are copied" wait_until 60 field_is "${names[1]}" state \
	replicating
is "  the hook was run three times" "$(runs "$h")" 3
stop_daemon
is "and replicad stops cleanly" $? 0
finish

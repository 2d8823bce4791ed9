#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who asks where a group, a pool or a host could
# go would get others' targets, or none while the primary or its replicad is down.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

# listed ARGUMENT...: ids of targets
listed() {
	replicactl targets "$@" --json 2>"$scratch_dir/err" |
		jq -r '[.targets[].id] | join(" ")'
}
# each_lists: what is asked for, with or without replicad
each_lists() { # WHAT ARGUMENT...
	local what=$1
	shift
	is "$what: of a group" "$(listed --group g "$@")" "one two"
	is "$what: of a pool" "$(listed --pool p "$@")" "two"
	is "$what: of the host" "$(listed --host "$@")" "one two three"
	is "$what: of a volume" "$(listed a "$@")" "one"
	refuses "$what: no group" 'no volume.* of h' replicactl targets --group h "$@"
	refuses "$what: no pool" 'no pool q' replicactl targets --pool q "$@"
	refuses "$what: nobody in it" 'no volume.* of empty' \
		replicactl targets --pool empty "$@"
	refuses "$what: two are named" 'one of them' \
		replicactl targets a --pool p "$@"
}

begin_config
cat >>"$scratch_dir/conf" <<END
[target one]
uri=$(uri_of a)
[target two]
uri=$(uri_of "{volume}")
[target three]
uri=local:/nowhere
[volume a]
group=g
targets=one
heartbeat=200ms
[volume b]
group=g
targets=two
heartbeat=200ms
[volume c]
targets=two
[pool p]
members=c b
[pool empty]
members=x*
END
for name in a b c; do
	make_volume $name
	start_target $name
done
start_daemon
wait_until 60 field_is a state replicating
each_lists "while it runs"
refuses "also at the socket" 'want one of' \
	rpc-call targets '{"group":"g","pool":"p"}'
refuses "a word that it does not know" 'no parameter gruop' rpc-call targets '{"gruop":"g"}'
kill $target_pid
kill_daemon
each_lists "while it does not" --config "$scratch_dir/conf" --state-dir "$state_dir"
is "it says that nobody has asked them" "$(replicactl targets --group g --json \
	--config "$scratch_dir/conf" | jq -c '[.targets[].answers]')" '[null,null]'
check "without a word of where: the files are read, too" eval \
	'replicactl targets --state-dir "$state_dir" --config "$scratch_dir/conf" |
	grep -q "^two "'
finish

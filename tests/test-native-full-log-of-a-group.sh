#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a group that is applied in place, since its
# log was full, has no image; but the status of those members that were not
# refused anything would say that they have.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

start_group() {
	start_nbdkit "$scratch_dir/a.nbd" "$plugin_so" "dir=$stage_dir" \
		log=4MiB on_full=apply \
		"create=g/a:${native_mib}MiB:$scratch_dir/a.base" \
		"create=g/b:${native_mib}MiB:$scratch_dir/b.base"
	plugin_pid=$nbdkit_pid
}

uri_of() {
	stage_uri "$1"
}

both_settled() {
	wait_settled a 60 && wait_settled b 60
}

# of_both JQ-CONDITION: holds for both, at one time
of_both() {
	rpc-call status | json_holds "[.volumes[] | $1] | length == 2 and all"
}

make_volume a
make_volume b
start_group
begin_config
configure a group=g bandwidth=512KiB
configure b group=g bandwidth=512KiB
start_daemon
check "both are replicated" both_settled
check "and have an image" of_both .replica_consistent
# Only a is written much to, so it is a that is refused.
sim-ctl write a 0 8388608 1
sim-ctl write b 0 65536 1
check "both say that it applies in place" wait_until 60 of_both \
	'(.reason | test("applies in place"))'
check "both are whole in the end" both_settled
check "and say so" wait_until 60 of_both .replica_consistent
for v in a b; do
	check "event of $v" grep -q "$v: .*applies in place" "$daemon_log"
done
stop_daemon
is "a clean stop" $? 0
finish

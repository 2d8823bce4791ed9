#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: "dmsetup message VOL 0 request failover planned"
# would not hand the volume over, or would while it is in use.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

replicate_pair
make_epoch 11 0
touch "$scratch_dir/open"
sim-ctl request a "failover planned"
check "not while it is open" wait_until 60 \
	grep -q "a: warning: request failover: .*is in use" "$daemon_log"
rm "$scratch_dir/open"
check "  which changes nothing" field_is a state replicating
sim-ctl storm a 300 5
sim-ctl request a "failover planned"
check "handed over, with writes of a moment ago" wait_until 60 \
	grep -q "a: request failover: done" "$daemon_log"
cp "$scratch_dir/a.img" "$scratch_dir/last.img"
is "it is not replicated from here any more" "$(field a state)" superseded
check "the other site takes it over" b replicactl failover a --force --json
check "  with all of it" cmp "$scratch_dir/last.img" "$site_b/a.base"
stop_daemon
kill_pid $b_pid
finish

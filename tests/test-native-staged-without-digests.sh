#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a stage that gives no digests (too many
# connections, for example) could not be resynced, or verify would take its last
# image for what it has.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"

make_volume a
start_stage connections=2
begin_config
configure a window=1MiB connections=2
start_daemon
check "the first sync" wait_settled a 60
is "over all the connections there may be" "$(field a connections)" 2
is "it is a stage all the same" "$(field a apply)" staged
damage_stage 0 5 900
start_stage connections=2
check "connected again" wait_settled a 60
before=$(field a bytes_shipped)
commits=$(field a epochs_clean)
resync >/dev/null
check "a resync ends" wait_until 60 rises a epochs_clean "$commits"
check "and compares no more" wait_until 60 is_compared
sent=$(($(field a bytes_shipped) - before))
check "everything was sent: $sent" test $sent -ge 4128768
check "and the log says why" grep -q "digests cannot be had" "$daemon_log"
rpc-call verify '{"volume": "a"}' >/dev/null
no_verify() {
	rpc-call status | grep -q '"error": "the target gives no digests"'
}
check "verify does not guess" wait_until 60 no_verify
stop_daemon
image "$scratch_dir/image"
check "the replica is equal" cmp "$scratch_dir/a.img" "$scratch_dir/image"
finish

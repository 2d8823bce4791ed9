#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a target whose log is too small for what is
# written would lose its image without being asked to, or stop replication; or an
# operator who chose on_full=apply would not be told that there is no image.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

state_is() {
	replicactl history a --json | json_holds ".state == \"$1\" and $2"
}

says() {
	[[ $(field a "$1") =~ $2 ]]
}

# flood SEED: an epoch that the log cannot hold
flood() {
	sim-ctl write a 0 6291456 "$1"
}

start_pair log=16MiB history=1h history_min=30m
now_image "$scratch_dir/before"
stop_daemon
stop_plugin
start_stage log=4MiB history=1h history_min=30m
start_daemon
wait_settled a || bail "not replicated"
before=$(committed)
flood 1
check "the log is full: it is refused" wait_until 60 state_is "log full" \
	'.log_needed_bytes > 0 and (.reason | test("refused")) and
	(.next_step | test("log="))'
check "the primary says it too" wait_until 60 says reason "log is full"
is "  it is catching up, and does not take the target for lost" "$(
	for _ in {1..30}; do field a state; sleep 0.1; done | sort -u)" \
	catching-up
check "  and what to do" says next_step "larger log="
check "  it was said once" test "$(grep -c "log is full" "$daemon_log")" -le 2
check "the image is there" image "$scratch_dir/image"
check "and as it was" cmp "$scratch_dir/before" "$scratch_dir/image"
check "it is said to be" field_is a replica_consistent true
check "its state is not that all is well" eval "rpc-call status |
	json_holds '.verdict == \"degraded\"'"
stop_plugin
start_stage log=64MiB history=1h history_min=30m
check "with a larger log it goes on by itself" wait_settled a 60
is "  and says no more of it" "$(field a reason)" ""
stop_daemon
stop_plugin
flood 4

start_stage log=4MiB on_full=apply history=1h history_min=30m
start_daemon
check "what history_min keeps is kept" wait_until 60 state_is "log full" true
check "and the image" image "$scratch_dir/image"
stop_daemon
stop_plugin

# It cannot end before it is seen.
start_stage log=4MiB on_full=apply
echo "bandwidth=256KiB" >>"$scratch_dir/conf"
start_daemon
check "without history: it is applied in place" wait_until 60 \
	state_is "applying in place" '.lag_s == null and
	(.reason | test("no consistent image"))'
check "the primary says so" wait_until 60 says reason "applies in place"
check "and what to do" says next_step "log="
check "and that there is no image" field_is a replica_consistent false
refuses "none can be opened" "no export named" image "$scratch_dir/image"
nbdinfo --list "$(stage_uri "")" >"$scratch_dir/exports"
check "the list of exports says it" \
	grep "without a consistent image" "$scratch_dir/exports"
is "it has what can be read" "$(sed -n 's/^export="\(.*\)":/\1/p' \
	"$scratch_dir/exports" | tr '\n' ' ')" "a a@history a@sum a@above a@dirty "
check "for people" eval "replicactl history a |
	grep -x 'image: there is none now'"
check "it is an event" grep -q "applies in place" "$daemon_log"
check "all of it arrives" wait_settled a 60
check "then there is an image" equals
check "which is said" field_is a replica_consistent true
check "and nothing else" state_is ok '.reason == ""'
write_epoch 0 65536 3
check "the next one is staged" equals
stop_daemon
is "a clean stop" $? 0
finish

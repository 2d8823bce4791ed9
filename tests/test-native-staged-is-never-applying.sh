#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a stage would be without a consistent image
# while a big epoch is on its way in windows, or the status would say so; or a
# volume that is loaded anew would be sent to it as a whole.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"

# Looks until it replicates again: the old image is there, and is said to be.
watch() {
	seen_behind=0 seen_wrong=0
	for i in $(seq 400); do
		rpc-call status >"$scratch_dir/status"
		image "$scratch_dir/seen"
		grep -q '"catching-up"' "$scratch_dir/status" || {
			grep -q '"replicating"' "$scratch_dir/status" &&
				[ $seen_behind -gt 0 ] && return
			sleep 0.02
			continue
		}
		seen_behind=$((seen_behind + 1))
		grep -q '"applying": false' "$scratch_dir/status" &&
			grep -q '"replica_consistent": true' \
				"$scratch_dir/status" || seen_wrong=$i
		cmp -s "$scratch_dir/before" "$scratch_dir/seen" ||
			cmp -s "$scratch_dir/a.img" "$scratch_dir/seen" ||
			seen_wrong=$i
	done
}

# A stage that is new is not looked at for other data: nothing is lost there.
head -c 1M /dev/urandom >"$scratch_dir/a.base"
make_volume a
start_stage sum_rate=1MiB	# so it looks for some seconds at what it has
begin_config
configure a window=128KiB bandwidth=512KiB stale_wait=1h
start_daemon
check "the first sync" equals
image "$scratch_dir/before"
is "it is right" "$(cmp "$scratch_dir/before" "$scratch_dir/a.img"; echo $?)" 0

rpc-call pause '{"volume": "a"}' >/dev/null
wait_until 60 field_is a state paused
sim-ctl write a 0 4194304 77
rpc-call resume '{"volume": "a"}' >/dev/null
watch
check "it was seen while it caught up ($seen_behind times)" \
	test $seen_behind -ge 2
is "the image was whole, and was said to be" $seen_wrong 0
check "in the end it is equal" equals
check "there were windows: $(field a epochs_partial)" \
	test "$(field a epochs_partial)" -ge 2

# The volume is loaded anew, and knows nothing: all of it is dirty.
image "$scratch_dir/before"
stop_daemon
sim-ctl reload a
start_daemon
watch
check "loaded anew: behind, never without an image ($seen_behind times)" \
	test $seen_behind -ge 1
is "the image was whole, and was said to be" $seen_wrong 0
check "in the end it is equal" equals
check "and only little was sent: $(field a bytes_shipped)" \
	test "$(field a bytes_shipped)" -le 65536
is "the state was never syncing" "$(tail -n 1 "$daemon_log" |
	grep -c syncing)" 0
stop_daemon

# What must be a stage, and is none.
start_target b
begin_config
configure b apply=staged
make_volume b
start_daemon
check "apply=staged refuses a plain server" wait_until 60 field_is b state error
field b reason >"$scratch_dir/reason"
check "in words" grep -q 'no stage' "$scratch_dir/reason"
is "nothing was written to it" "$(tr -d '\0' <"$scratch_dir/b.target" |
	wc -c)" 0
stop_daemon
finish

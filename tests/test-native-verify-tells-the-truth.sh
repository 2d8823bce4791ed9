#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: verify would call a good replica bad while
# it is in use, or a bad one good.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"

# found FIELD: of the last verify
found() {
	rpc-call status | python3 -c "import json, sys
v = json.load(sys.stdin)['volumes'][0]['verify']
print(json.dumps(v and v['$1']))"
}

verified() {
	[ "$(found running)" = false ]
}

# verify [PARAMS]: to its end
verify() {
	rpc-call verify "{\"volume\": \"a\"${1+, $1}}" >/dev/null &&
		wait_until 60 verified
}

size=$((native_mib * 1048576))
bad="3 4 5 1000 2047"
extents='[{"offset": 12288, "length": 12288}, {"offset": 4096000, "length": 4096}, {"offset": 8384512, "length": 4096}]'

# check_target WHAT: of a target that is equal; then damage_it makes it bad
check_target() {
	check "$1: it is verified" verify
	is "$1: nothing differs" "$(found differing_bytes)" 0
	is "$1: everything was compared" "$(found compared_bytes)" $size
	is "$1: in good order" "$(found error)" null
	damage_it
	check "$1, damaged: it is verified" verify
	is "$1, damaged: the places are named" "$(found extents)" "$extents"
	is "$1, damaged: and counted" "$(found differing_bytes)" $((5 * 4096))
	is "$1, damaged: nothing is repaired" "$(found repaired_bytes)" 0
	before=$(field a bytes_shipped)
	check "$1, damaged: it is repaired" verify '"repair": true'
	is "$1, damaged: so much" "$(found repaired_bytes)" $((5 * 4096))
	check "$1: settled" wait_until 60 settled a
	check "$1: it is verified again" verify
	is "$1, repaired: nothing differs" "$(found differing_bytes)" 0
	is "$1, repaired: with so many bytes" \
		"$(($(field a bytes_shipped) - before))" $((5 * 4096))
}

# Never a false one: each of many, under load, with windows and clean epochs.
check_under_load() {
	local i
	sim-ctl storm a 1000000 11 300 &
	storm=$!
	cleanup_fn kill_pid $storm
	for i in 1 2 3 4; do
		verify || rpc-call status
		[ "$(found differing_bytes) $(found error)" = "0 null" ] ||
			rpc-call status >"$scratch_dir/wrong"
	done
	kill_pid $storm
	check "$1: four times under load, it found nothing" \
		test ! -e "$scratch_dir/wrong"
	check "$1: and compared something" test "$(found compared_bytes)" -gt 0
}

make_volume a
sim-ctl write a $((size - 65536)) 65536
start_stage
begin_config
configure a window=512KiB
start_daemon
check "the first sync" equals
is "before the first, there is none" "$(rpc-call status | python3 -c "import json, sys
print(json.load(sys.stdin)['volumes'][0]['verify'])")" None
damage_it() {
	damage_stage $bad
	start_stage
	wait_settled a 60
}
check_target "a stage"
check_under_load "a stage"
check "in the end it is equal" equals
stop_daemon
stop_plugin

truncate -s $((size + 1048576)) "$scratch_dir/a.file"
begin_config
configure a window=512KiB "target=local:$scratch_dir/a.file"
start_daemon
wait_settled a 60
damage_it() {
	damage "$scratch_dir/a.file" $bad
}
check_target "a local target"
check_under_load "a local target"
stop_daemon

start_target a
begin_config
configure a window=512KiB
start_daemon
wait_settled a 60
damage_it() {
	damage "$scratch_dir/a.target" $bad
}
check_target "a plain server"
check_under_load "a plain server"

# What is read there counts against bandwidth=. Slower is always right.
stop_daemon
echo bandwidth=2MiB >>"$scratch_dir/conf"
start_daemon
wait_settled a 60
begun=$SECONDS
check "with bandwidth=" verify
check "8 MiB take their time" test $((SECONDS - begun)) -ge 3
stop_daemon
echo bandwidth=4KiB >>"$scratch_dir/conf"
start_daemon
wait_settled a 60
rpc-call verify '{"volume": "a"}' >/dev/null
sleep 2				# most likely it waits by now
kill -TERM $daemon_pid
check "one that would take an hour is ended by a stop" \
	wait_until 60 eval "! kill -0 $daemon_pid"
wait $daemon_pid
is "cleanly" $? 0
sed -i /^bandwidth=/d "$scratch_dir/conf"
start_daemon
wait_settled a 60

# A target that goes away meanwhile is waited for.
kill_pid $target_pid
rpc-call verify '{"volume": "a"}' >"$scratch_dir/out" 2>&1
check "without a target it is refused, or waits" wait_until 60 grep -q . \
	"$scratch_dir/out"
start_target a
wait_settled a 60
check "with it again, it is verified" verify
is "nothing differs" "$(found differing_bytes)" 0
stop_daemon
is "a clean stop" $? 0
finish

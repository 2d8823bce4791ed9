#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
#
# Shipping by digest to our plugin (on this machine, simulated kernel), of a
# volume that is wholly in doubt and differs in one chunk of 512:
#
#   compare-bytes   data that is sent; the peer: the data that differs
#   compare-time    seconds from the resync to the commit; the peer: the same,
#                   everything being sent. A ratio below 1 is better
#   verify-rate     MB/s, of a replica that is right; the peer: cmp of its image
#                   with the volume
set -u
MIB=${MIB:-128}
. "$(dirname "$(readlink -f "$0")")/../lib.sh"
. "$test_dir/lib-native.sh"
. "$test_dir/lib-plugin.sh"
. "$test_dir/lib-staged.sh"
native_mib=$MIB

seconds() {
	date +%s.%N
}

# took BEFORE
took() {
	awk -v a="$1" -v b="$(seconds)" 'BEGIN { print b - a }'
}

# report NAME UNIT PEER VALUE PEER_VALUE
report() {
	jq -cn --arg name "$1" --arg unit "$2" --arg peer "$3" \
		--argjson value "$4" --argjson peer_value "$5" \
		'{name: $name, value: $value, unit: $unit, peer: $peer,
		  peer_value: $peer_value, ratio: ($value / $peer_value)}'
}

# timed_resync [PARAMS]: sets time
timed_resync() {
	local commits begin
	commits=$(field a epochs_clean)
	begin=$(seconds)
	resync "$@" >/dev/null
	until rises a epochs_clean "$commits"; do sleep 0.01; done
	time=$(took "$begin")
	wait_settled a 60
}

sim-ctl create a $((MIB << 20)) && sim-ctl write a 0 $((MIB << 20))
start_stage
begin_config
configure a
start_daemon
wait_settled a 120
mapfile -t chunks < <(seq 3 512 $((MIB * 256 - 1)))
damage_stage "${chunks[@]}"
start_stage
wait_settled a 60
before=$(field a bytes_shipped)
timed_resync
compared=$time
report compare-bytes bytes "true difference" \
	$(($(field a bytes_shipped) - before)) $((${#chunks[@]} * 4096))
timed_resync '"full": true'
report compare-time s "everything sent" "$compared" "$time"
begin=$(seconds)
rpc-call verify '{"volume": "a"}' >/dev/null
while rpc-call status | grep -q '"running": true'; do sleep 0.01; done
verified=$(took "$begin")
image "$scratch_dir/image"
begin=$(seconds)
cmp "$scratch_dir/a.img" "$scratch_dir/image"
report verify-rate MB/s cmp \
	"$(awk -v m="$MIB" -v t="$verified" 'BEGIN { print m * 1.048576 / t }')" \
	"$(awk -v m="$MIB" -v t="$(took "$begin")" \
		'BEGIN { print m * 1.048576 / t }')"
stop_daemon
stop_plugin
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a server killed at the wrong moment would lose
# an epoch that it had answered, or serve one that is none (P1). And the check must
# see it where a rule of the stage is off (stage-fault.h).
# lab: timeout=700
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
fault_plugin=$top_dir/build/tests/fault-plugin.so
[ -e "$fault_plugin" ] || skip_all "needs $fault_plugin"
kills=60
[ -z "${DMR_SOAK-}" ] || kills=500
vol_size=1MiB

# storm KILLS PLUGIN [ARGUMENT...]: on a new stage
storm() {
	local kills=$1 plugin=$2
	shift 2
	rm -rf "$stage_dir" "$scratch_dir/vol.base"
	mkdir "$stage_dir"
	timeout "$(((kills * 2 + 60) * ${DMR_SLOW:-1} * ${DMR_PATIENCE:-1}))" "$python" \
		"$test_dir/plugin_storm.py" "$kills" "$plugin_log" \
		nbdkit -f -U "$PLUGIN_SOCKET" --exit-with-parent "$plugin" \
		"dir=$stage_dir" "create=vol:$vol_size:$scratch_dir/vol.base" \
		history=500ms log=16MiB "$@" >"$scratch_dir/storm" 2>&1
}

storm $kills "$plugin_so"
is "$kills kills: each time all of an epoch is there, and all before it" $? 0
note "$(cat "$scratch_dir/storm")"

# Where the log goes on after a kill is another place on a device.
truncate -s 24M "$scratch_dir/device"
storm $((kills / 3)) "$plugin_so" "log_device=$scratch_dir/device"
is "$((kills / 3)) kills, with the log on a device" $? 0
note "$(cat "$scratch_dir/storm")"

# noticed RULE WHAT REGEX
noticed() {
	STAGE_FAULT=$1 storm 40 "$fault_plugin"
	is "noticed: $2 ($1)" $? 1
	check "  and why" grep -qE "^wrong: .*($3)" "$scratch_dir/storm"
	note "$(tail -n 1 "$scratch_dir/storm")"
}
noticed S1 "partial epochs are visible" "not of epoch|are listed"
noticed IMAGE "the history is off by one" "not of epoch"
noticed GONE "an older epoch is listed only" "is listed"
finish

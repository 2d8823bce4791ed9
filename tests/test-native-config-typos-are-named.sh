#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a typo in the configuration would be taken
# for a default, or the message would not say where and what it is.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

make_volume a
begin_config
configure a intervall=1s
refuses "a key: file, line, key, nearest key" \
	"conf:9: there is no key \"intervall\", the nearest is \"interval\"" \
	replicad-sim --config "$scratch_dir/conf"
check "no socket, no state is left" test ! -e "$state_dir"
refuses "also with --check" "nearest is \"interval\"" \
	replicad-sim --check --config "$scratch_dir/conf"
begin_config
configure a window=10
refuses "a value out of range" "conf:9: window=10 is out of range" \
	replicad-sim --config "$scratch_dir/conf"
refuses "a file that is missing" "nowhere: cannot be read" \
	replicad-sim --config "$scratch_dir/nowhere"
refuses "an option that is none" "frob" replicad-sim --frob
begin_config
configure a window=1MiB
check "a good file" replicad-sim --check --config "$scratch_dir/conf"
if [ -x "$top_dir/utils/replicactl" ]; then
	good=(--config "$scratch_dir/conf" --state-dir "$state_dir")
	check "replicactl says so, too" replicactl config check "${good[@]}"
	refuses "a word too many" "'extra' is one word too many" \
		replicactl config check extra "${good[@]}"
	refuses "also of reload" "'a' is one word too many" replicactl config reload a
	cp "$scratch_dir/conf" "$scratch_dir/good"
	printf '[volume c]\ntarget=nbd://h/x\n' >>"$scratch_dir/conf"
	refuses "what would not be started, for it would go in clear" \
		'conf:10: volume c: nbd://h/x would be sent in clear' \
		replicactl config check "${good[@]}"
	echo tls=off >>"$scratch_dir/conf"
	check "unless that is allowed" replicactl config check "${good[@]}"
	cp "$scratch_dir/good" "$scratch_dir/conf"
fi
start_daemon
refuses "two daemons on one state folder" "another replicad runs" \
	replicad-sim --config "$scratch_dir/conf" --socket "$scratch_dir/other"
check "the first is not disturbed" rpc-call status
finish

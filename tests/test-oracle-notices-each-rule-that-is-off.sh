#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An oracle that cannot fail proves nothing: if this fails, the consistency test
# would pass with preservation, the drain, the gate, or the shared pointer of a
# group missing.
# lab: fault timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
slow=${DMR_SLOW:-1}

# try SECONDS WRITE_DELAY "SHIP OPTIONS" FAULT=VALUE...: the oracle's status, at
# the first violation
nr=0
try() {
	local seconds=$1 delay=$2 ship=$3 a=a$((++nr)) b=b$nr f status=0
	local seed=$((${DMR_SEED:-0} + nr)) start
	shift 3
	make_volume $a 4
	make_volume $b 4
	set_delay $a 0 "$delay"
	set_delay $b 0 "$delay"
	for f; do
		set_fault "${f%%=*}" "${f#*=}"
	done
	ship_specs $a $b
	start_writer --seed $seed --chains 4 --max 8192 -- $a $b
	start=$SECONDS
	# shellcheck disable=SC2086
	timeout $((80 * slow)) oracle-ship --seed $seed \
		--seconds $((seconds * slow)) --group $nr \
		$ship "$oracle_state" "${specs[@]}" >"$scratch_dir/ship" 2>&1 ||
		status=$?
	start=$((SECONDS - start))
	for f; do
		set_fault "${f%%=*}" 0
	done
	wait "$writer_pid"
	note "$start s: $(tail -n 3 "$scratch_dir/ship")"
	[ $status = 0 ] || return $status
}

# violated DESCRIPTION ARGUMENTS OF try...
violated() {
	local what=$1 status=0
	shift
	# 1: an image is not closed; 2: the frozen set itself has changed.
	try "$@" || status=$?
	check "noticed: $what" test $status = 1 -o $status = 2
}

delays="fault_mark_us=200 fault_park_us=500 fault_preserve_us=300"
delays+=" fault_copied_us=500 fault_wake_us=300 fault_view_us=1000"
# shellcheck disable=SC2086
try 10 2 "--delay 1000 --abort 10 --keep 10 --clean 3" $delays
is "with every rule, and delays in every window, all is closed" $? 0
violated "no preservation" 30 0 "--delay 5000" fault_no_preserve=1
violated "no drain" 30 300 "" fault_no_drain=1
violated "no gate" 30 0 "--delay 2000" fault_no_gate=1 \
	fault_mark_us=$((1000 * slow))
violated "a group cut one by one" 30 0 "" fault_split_group=1 \
	fault_split_us=5000
check_dmesg
finish

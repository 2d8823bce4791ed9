#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An oracle that cannot fail proves nothing: if this fails, the test of replicad's
# images would pass with preservation, the drain, the gate, or the shared pointer
# of a group missing.
# lab: fault timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
. "$(dirname "$0")/lib-target.sh"
requires_cmd jq rpc-call replicad oracle-target
load_module --fault
slow=${DMR_SLOW:-1}
seconds=$((${DMR_SOAK_SECONDS:-60} * slow))
patience=20s	# no target hangs here, but that of a slow kernel may seem to

# notices DESCRIPTION READ_MS WRITE_MS "WRITER" FAULT=VALUE...: the times are the
# disks'; it ends with the first violation.
nr=0
notices() {
	local what=$1 read=$2 write=$3 writer=$4 f start seed
	a=a$((++nr)) b=b$nr
	seed=$((${DMR_SEED:-0} + nr))
	shift 4
	for f in $a $b; do
		make_null $f-disk 4
		make_dm $f-slow "$(delay_table $f "$read" "$write")"
		make_replica $f "$(origin_of $f)"
	done
	for f; do
		set_fault "${f%%=*}" "${f#*=}"
	done
	start=$SECONDS
	begin "$seconds" "--seed $seed --max 8192 $writer" "" ""
	note "$((SECONDS - start)) s"
	for f; do
		set_fault "${f%%=*}" 0
	done
	check_noticed "noticed: $what"
	stop_daemon
}

modprobe -q dm-delay
notices "no preservation" 5 0 "--pause 1000" fault_no_preserve=1
# What was on its way at the cut ends after that was read.
notices "no drain" 0 $((10 * slow)) "--pause 1000" fault_no_drain=1
# The daemon asks what is frozen milliseconds after the cut: a marker that comes
# later than that was missed.
notices "no gate" 0 0 "--chains 2 --pause 20000" fault_no_gate=1 \
	fault_mark_us=$((15000 * slow))
notices "a group cut one by one" 0 0 "--pause 1000" fault_split_group=1 \
	fault_split_us=$((5000 * slow))
check_dmesg
finish

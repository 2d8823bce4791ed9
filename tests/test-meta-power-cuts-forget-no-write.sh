#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a power cut of the primary makes it forget a chunk in which it
# differs from its target: the replica is wrong for ever, and nobody knows.
# DMR_SOAK=1 records for longer, DMR_SEED=N other writes.
# lab: host timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-powercut.sh"
seed=${DMR_SEED:-1} seconds=3
[ -z "${DMR_SOAK-}" ] || seconds=60
runs=(none:$seed:$seconds none:$((seed + 1)):$seconds
	none:$((seed + 2)):$seconds:no-flush)

check "volumes write" record -- "${runs[@]}" ||
	{ note "$(tail -n 40 "$scratch_dir/recorded")"; finish; }
for run in "${runs[@]}"; do
	cut_power "$run"
	is "no power cut forgets a write ($run)" $? 0
done
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, test-meta-power-cuts-forget-no-write.sh proves nothing: with a
# rule switched off it should find power cuts that forget a write.
# lab: host timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-powercut.sh"
# A run has enough of all that each rule is about, so one of each is enough. For
# no_flush, a writer's flush would do for ours, by chance.
runs=(no_intent:3:2 late_intent:3:2 early_cool:3:2 no_flush:3:2:no-flush
	no_name:3:2 no_range:3:2 no_incarnation:3:2)

check "volumes write" record --fault -- "${runs[@]}" ||
	{ note "$(tail -n 40 "$scratch_dir/recorded")"; finish; }
for run in "${runs[@]}"; do
	case $run in
	no_name:*) words="cleared by an epoch that is not known" ;;
	no_incarnation:*) words="[1-9][0-9]* writes after CLEAN" ;;
	*) words=forgotten ;;
	esac
	cut_power "$run"
	check "$run is noticed" grep -q "^.*[:,] $words" "$scratch_dir/said"
done
finish

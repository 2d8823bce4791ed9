#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of verbs and faults after
# which two sites are primaries as of one generation, an image is shown that never
# was, what was acknowledged and committed is lost, or nobody is told what to do.
# DMR_SEED=N begins with that walk (odd: of a group), DMR_WALK_STEPS=N is how long
# each is, DMR_SOAK_SECONDS=N goes on with the next seeds for so long.
# lab: timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-walk.sh"
. "$(dirname "$0")/lib-walk-steps.sh"

seed=${DMR_SEED-1}
last=$((seed + 1))
end=$((SECONDS + ${DMR_SOAK_SECONDS-0}))
while [ "$seed" -le $last ] || [ $SECONDS -lt $end ]; do
	began=$SECONDS
	if walk "$seed" "${DMR_WALK_STEPS-12}"; then
		pass "walk $seed, $((SECONDS - began)) s"
		rm -rf "$walk_dir"
	else
		fail "walk $seed: $is_wrong"
		note "again: DMR_SEED=$seed DMR_WALK_STEPS=${DMR_WALK_STEPS-12}"
		note "$(tail -n 40 "$walk_log")"
		[ -z "${DMR_KEEP-}" ] || cp -a "$walk_dir" "$DMR_KEEP/"
		break
	fi
	seed=$((seed + 1))
done
finish

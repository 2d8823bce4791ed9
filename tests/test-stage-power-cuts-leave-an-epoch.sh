#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a secondary that loses power may come back without its image, with
# one that never was, or with a history that lies. The writes of a real file system
# and a base are replayed to every flush and every write with FUA, and to states
# in which any part of what was not flushed is there; each time the stage recovers
# and is exactly the last epoch that was answered, or the one under way, and so
# is its history. DMR_SOAK=1 tries more parts, DMR_SEED=N other writes.
# lab: host timeout=700
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-powercut-stage.sh"
subsets=1
[ -z "${DMR_SOAK-}" ] || subsets=20

check "a stage writes" record none ||
	{ note "$(tail "$scratch_dir/recorded")"; finish; }
cut_power none --subsets $subsets
is "every power cut leaves an epoch" $? 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, test-stage-power-cuts-leave-an-epoch.sh proves nothing: it should
# find power cuts that leave no epoch where a commit is not synced, and where
# segments go before the base is synced. (A commit record without its data cannot
# come of a file system with a journal: unit-stage-crash has that.)
# lab: host soak timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-powercut-stage.sh"

# noticed DESCRIPTION LOG OPTION...
noticed() {
	local what=$1 status=0
	shift
	cut_power "$@" || status=$?
	is "noticed: $what" $status 1
}

check "stages write" record none S3_COMMIT S4 ||
	{ note "$(tail "$scratch_dir/recorded")"; finish; }
noticed "a commit is not synced" S3_COMMIT
noticed "segments go before the base is synced" S4 --subsets 4
finish

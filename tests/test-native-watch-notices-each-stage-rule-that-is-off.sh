#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# A check that cannot fail proves nothing: if this fails, the tests of what a stage
# shows would pass with a rule of the stage missing. Each is switched off in a plugin
# that is made for that; the names are those of enum stage_fault.
# lab: timeout=700
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-watch.sh"
requires_cmd oracle-sim-writer oracle-watch
watch_plugin=$top_dir/build/tests/fault-plugin.so
[ -e "$watch_plugin" ] || skip_all "needs $watch_plugin"
never="--images 1000000000"	# it ends with the first violation
RANDOM=${DMR_SEED:-1}

# notices RULES DESCRIPTION "VOLUMES" "STAGE" "CONFIG" "WRITER" [COMMAND...]
notices() {
	local rules=$1 what=$2 start=$SECONDS
	export STAGE_FAULT=$rules
	begin_watch "$3" 4 "$4" "$5" "$6" "$never"
	paced "${DMR_SOAK_SECONDS:-10}" "${@:7}"
	unset STAGE_FAULT
	noticed "$what ($rules)"
	note "$((SECONDS - start)) s"
}

# An abort, with partial epochs before it, and a commit behind it: on a busy machine
# a daemon that is killed by the clock commits nothing.
kill_slowly() {
	local last
	last=$(last_commit)
	kill_daemon
	start_daemon
	wait_until 60 has_committed "${last:-0}"
	sleep 0.$((RANDOM % 8 + 1))
}

is "a rule that there is not" \
	"$(STAGE_FAULT=S99 nbdkit "$watch_plugin" --dump-plugin 2>&1 >/dev/null)" \
	"STAGE_FAULT: there is no rule 'S99'"
small="--chains 4 --max 8192 --pause 1000"
big="--chains 4 --max 65536 --pause 2000"
windows="window=64KiB bandwidth=8MiB"
notices S1 "partial epochs are visible" "a b" history=1h "$windows" "$big"
notices S2 "an abort drops partial data" "a b" history=1h "$windows" "$big" \
	kill_slowly
notices S5 "VOL shows the open epoch" a history=1h "" "$big"
# With a log that is nearly full the applier is always at work.
notices S10 "nothing pins the applier" a "history=0 log=16MiB" "" \
	"--chains 4 --pause 2000"
notices GONE "an older epoch is listed only" "a b" history=1h "" "$small"
notices IMAGE "the history is off by one" "a b" history=1h "" "$small"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume that is larger than its log could
# not be copied; or writers that never rest, or a link that never lasts, would fill
# a log with windows, of which no image is made and none can be applied, and the
# replica would stay where it is for ever.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

write_all() {
	sim-ctl write a 0 8388608 "$1"
}

# Nobody has chosen on_full=apply.
make_volume a
write_all 1
start_stage log=4MiB
begin_config
configure a window=256KiB bandwidth=2MiB
start_daemon
check "a first copy of twice the log" equals
stop_daemon
stop_plugin

# Each time a quarter of it is written, and the link lasts for some windows. All of them
# are more than the log.
lasted() {
	[ "$(field a epochs_partial)" -ge 5 ] || [ "$(field a epochs_clean)" -ge 1 ] ||
		[[ $(field a reason) =~ full ]]
}

: >"$daemon_log"
start_stage log=16MiB
windows=0
for i in {2..16}; do
	sim-ctl write a 0 2097152 $i
	start_daemon
	wait_until 60 lasted || bail "nothing is staged: $(field a reason)"
	windows=$((windows + $(field a epochs_partial)))
	kill_daemon
done
check "windows were staged: $windows" test "$windows" -ge 30
start_daemon
check "the next one that lasts makes an image of it" equals
check "  which needs no larger log" eval '! grep -q "log is full" "$daemon_log"'
stop_daemon
is "a clean stop" $? 0
finish

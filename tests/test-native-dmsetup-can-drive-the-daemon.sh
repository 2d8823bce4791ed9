#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: "dmsetup message VOL 0 request …" would not
# reach the daemon, or a wrong one would do harm.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

make_volume a
start_target a
begin_config
configure a
start_daemon
check "a is replicated" replica_equals a
sim-ctl request a pause
check "pause" wait_until 10 field_is a state paused
sim-ctl request a "frobnicate now"
check "what is none is named in the log" wait_until 10 \
	grep -q "a: warning: request frobnicate: there is no such" "$daemon_log"
is "and changes nothing" "$(field a state)" paused
sim-ctl request a resume
check "resume" wait_until 20 field_is a state replicating
sim-ctl request a "enable $(uri_of a) window=1"
check "a wrong value is named in the log" wait_until 10 \
	grep -q "request enable: window=1 is out of range" "$daemon_log"
sim-ctl request a disable
check "disable" wait_until 20 eval '[ "$(sim-ctl get a plain)" = 1 ]'
finish

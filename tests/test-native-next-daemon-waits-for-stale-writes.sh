#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: requests of a daemon that was killed, which
# the server still runs, would land among those of the next one (W6); or a
# daemon that ended in order would make the next one wait for nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

# next_daemon DESCRIPTION MIN MAX: it has shipped what is dirty in that many ms.
next_daemon() {
	local start=$EPOCHREALTIME took
	sim-ctl write a 0 65536 "$RANDOM"
	start_daemon
	check "$1: the replica is made" replica_equals a 60
	took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
	check "$1: it took $took ms" test $took -ge "$2" -a $took -le "$3"
}

make_volume a
start_target a
begin_config
configure a stale_wait=12s
next_daemon "a new target" 0 10000
stop_daemon
next_daemon "after an end in order" 0 10000
kill_daemon
next_daemon "after a kill in an idle moment" 12000 60000
kill_daemon
start_daemon
check "the reason tells" \
	wait_until 10 eval 'field a reason | grep -q stale_wait'
stop_daemon
next_daemon "an end in order meanwhile hides no kill" 12000 60000
finish

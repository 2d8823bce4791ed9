#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: requests of a daemon that was killed, which
# the server still runs, would land among those of the next one (W6); or a
# daemon that ended in order would make the next one wait for nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

# next_daemon DESCRIPTION STALE_WAIT [MIN]: it has shipped what is dirty, and not in
# less than so many ms. Who waits for an hour does not come back at all.
next_daemon() {
	local start took
	sed -i "s/^stale_wait=.*/stale_wait=$2/" "$scratch_dir/conf"
	sim-ctl write a 0 65536 "$RANDOM"
	start=$EPOCHREALTIME
	start_daemon
	check "$1: the replica is made" replica_equals a
	took=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000))
	[ $# -lt 3 ] || check "$1: it took $took ms" test $took -ge "$3"
}

make_volume a
start_target a
begin_config
configure a
next_daemon "a new target" 1h
stop_daemon
next_daemon "after an end in order" 1h
kill_daemon
next_daemon "after a kill in an idle moment" 12s 12000
kill_daemon
sed -i 's/^stale_wait=.*/stale_wait=1h/' "$scratch_dir/conf"
start_daemon
check "the reason tells" \
	wait_until 60 eval 'field a reason | grep -q stale_wait'
stop_daemon
next_daemon "an end in order meanwhile hides no kill" 12s 12000
finish

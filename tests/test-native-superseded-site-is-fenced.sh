#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: on_superseded would not keep what writes at
# a site that another has taken over from, or would keep it for ever.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

a_options=on_superseded=readonly
replicate_pair
make_epoch 11 0
is "a primary may be written" "$(field a writes)" allowed
b replicactl failover a --force >/dev/null 2>&1 || bail "no failover"
check "A is superseded" wait_until 60 field_is a state superseded
check "readonly: a write is refused" wait_until 60 field_is a writes refused
refuses "  with an error" "Input/output error" sim-ctl write a 0 4096 5
check "  and the reason says so" eval \
	'field a reason | grep -q "gets an error (on_superseded=readonly)"'
is "  nothing was tracked" "$(sim-ctl get a dirty)" 0

kill_daemon
kill_pid $b_pid				# what B says now, nobody knows
start_daemon
check "the next daemon does not know yet" field_is a state connecting
refuses "  a write is refused all the same (N1, N2)" "Input/output error" \
	sim-ctl write a 0 4096 5
start_b
check "it is superseded, too" wait_until 60 field_is a state superseded
replicactl pause a >/dev/null || bail "no pause"
check "a pause takes it down" wait_until 60 field_is a writes allowed
check "  what is written then" sim-ctl write a 0 4096 5
is "  is tracked" "$(sim-ctl get a dirty)" 1
replicactl resume a >/dev/null || bail "no resume"
check "then it is put up again" wait_until 60 field_is a writes refused
stop_daemon
is "a clean stop leaves it as it is" "$(sim-ctl get a role)" 3

sed -i 's/^on_superseded=.*/on_superseded=suspend/' "$scratch_dir/conf"
start_daemon
check "suspend: a write is held" wait_until 60 field_is a writes held
is "  no role forbids it" "$(sim-ctl get a role)" 1
sim-ctl write a 4096 4096 6 &
writer=$!
cleanup_fn kill_pid $writer
sleep 0.5
check "  one waits" kill -0 $writer
touch "$scratch_dir/suspended"
check "  the hold cannot be renewed: it is said" wait_until 60 field_is a writes \
	allowed
rm "$scratch_dir/suspended"
check "  then it is held again (N6)" wait_until 60 field_is a writes held
check "  how to let it go is said" eval \
	'field a next_step | grep -q "replicactl pause"'
replicactl pause a >/dev/null || bail "no pause"
wait $writer
is "after a pause it has gone through" $? 0
is "  and is tracked" "$(sim-ctl get a dirty)" 2
replicactl resume a >/dev/null || bail "no resume"
check "it is held again" wait_until 60 field_is a writes held
check "what is only here can be salvaged" replicactl resolve a --keep peer
refuses "  and nobody writes to it then" "Input/output error" \
	sim-ctl write a 0 4096 7
refuses "a policy that is none" \
	"is not one of continue, readonly, suspend" \
	replicactl enable z --target "$(uri_of a)" --on-superseded stop
finish

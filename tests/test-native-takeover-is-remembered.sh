#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site that another has taken over from would
# forget it by a restart, a pause or another configuration, and be a primary again
# at another target, while both sites are written.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

spare=$scratch_dir/spare
# sends_to TARGET: by its configuration
sends_to() {
	sed -i "s|^target=.*|target=$1|" "$scratch_dir/conf"
}
reload() {
	replicactl config reload >"$scratch_dir/said" 2>&1
}
# refused_there: it is superseded, and the target it has now is not why
refused_there() {
	field_is a state superseded &&
		field a reason | grep -q "nothing is sent to another one"
}
spare_is_empty() {
	cmp -s -n $(((native_mib + 1) * 1048576)) "$spare" /dev/zero
}
remembered() {
	jq -r .taken_over "$state_dir/a.id"
}

replicate_pair
truncate -s $((native_mib + 1))M "$spare"
make_epoch 11 0
is "nothing is remembered of a pair that is well" "$(remembered)" no
b replicactl failover a --force >/dev/null 2>&1 || bail "no failover"
check "A is superseded" wait_until 60 field_is a state superseded
is "  and remembers it" "$(remembered)" superseded

kill_daemon
kill_pid $b_pid
start_daemon
gets_no_answer() {
	field_is a state connecting && field a reason | grep -q "connect:"
}
check "the next daemon gets no answer" wait_until 60 gets_no_answer
is "  and says what it remembers" "$(field a taken_over) $(field a \
	taken_over_elsewhere)" "superseded false"
is "  nobody is to mount it" "$(rpc-call path '{"volume":"a"}' | jq -r .use)" no
sends_to "local:$spare"
check "another target is refused (P2)" eval '! reload && grep -q \
	"another site has taken over, so its target stays" "$scratch_dir/said"'
kill_daemon
start_daemon
check "the next daemon sends nothing there" wait_until 60 refused_there
check "  and says what to decide" eval \
	'field a next_step | grep -q "resolve --keep peer.*replicactl resync"'
replicactl pause a >/dev/null || bail "no pause"
check "nor does who resumes it" replicactl resume a
check "  " wait_until 60 refused_there
stop_daemon
start_daemon
check "it is remembered for ever" wait_until 60 refused_there
is "  as it was said first (T2)" "$(remembered)" superseded
check "nothing was written there" spare_is_empty

stop_daemon
sends_to "nbd+unix:///?socket=$scratch_dir/nobody"
start_daemon
check "whether one that is not to be asked answers does not matter" \
	wait_until 60 refused_there
sends_to pair:p
start_b
check "the one that said so may say it again" eval \
	'reload; wait_until 60 eval "field a reason | grep -q as.of.epoch"'
replicactl pause a >/dev/null || bail "no pause"
sends_to "local:$spare"
check "while it is paused another one is refused, too" eval '! reload && grep -q \
	"another site has taken over, so its target stays" "$scratch_dir/said"'
check "nothing was written there" spare_is_empty

check "who disables it" replicactl disable a
check "  and enables it anew has decided" replicactl enable a
check "  it is a primary there" wait_settled a 60
is "  and nothing is remembered" "$(remembered)" no
finish

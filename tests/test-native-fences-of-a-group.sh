#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of volumes that are cut together one could
# be written on where another site is the primary, or could not where none is; or
# a split brain would stop both sites.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd successor

# serve NAME: sets NAME_pid
serve() {
	start_target "$1" --threads=1
	eval "${1}_pid=$target_pid"
}
hang_up() {
	kill_pid $a_pid
	kill_pid $b_pid
}
# with_header NAME HOW: what A finds when it connects again
with_header() {
	hang_up
	successor "$scratch_dir/$1.target" $((native_mib * 1048576)) ${2-} ||
		bail "no header"
	serve a
	serve b
}
policies() {
	begin_config
	configure a group=g on_superseded="$1"
	configure b group=g on_superseded="$2"
}
writes_are() {
	[ "$(field a writes) $(field b writes)" = "$1 $2" ]
}
no_answer() {
	field_is a state connecting && field a reason | grep -q connect:
}

make_volume a
make_volume b
serve a
serve b
policies readonly continue
start_daemon
check "both are replicated" eval 'wait_settled a 60 && wait_settled b 60'
with_header a
check "one is superseded: so is the group" wait_until 60 field_is b state \
	superseded
check "  and each has its policy" wait_until 60 writes_are refused allowed
remembered() {
	jq -r .taken_over "$state_dir/a.id" "$state_dir/b.id" | xargs
}
is "  and each remembers it" "$(remembered)" "superseded superseded"

kill_daemon
hang_up
policies readonly readonly
start_daemon
check "the next daemon does not know yet" wait_until 60 no_answer
is "  one is fenced still (N1)" "$(field a writes)" refused
is "  and the other is not for that (N8)" "$(field b writes)" allowed
check "  it is written" timeout 120 sim-ctl write b 0 4096 5
serve a
serve b
check "then it knows" wait_until 60 field_is a state superseded
check "  and both are fenced" wait_until 60 writes_are refused refused
refuses "  really" "Input/output error" sim-ctl write b 0 4096 5
with_header a again
rpc-call resume '{"volume":"a"}' >/dev/null || bail "no resume"
check "a target that is ours again ends it" wait_until 60 writes_are allowed \
	allowed
check "  and all is replicated" eval 'wait_settled a 60 && wait_settled b 60'
is "  and nothing is remembered" "$(remembered)" "no no"

kill_daemon
policies readonly suspend
start_daemon
wait_settled a 60 || bail "it does not go on"
with_header b
check "one suspends: all do (N6)" wait_until 60 writes_are held held
sim-ctl write a 4096 4096 6 &
writer=$!
cleanup_fn kill_pid $writer
kill_daemon
wait $writer
is "after a kill what waited goes through (N3)" $? 0
check "  and is tracked" [ "$(sim-ctl get a dirty)" -ge 1 ]
start_daemon
check "  until the next one is superseded, too" wait_until 60 writes_are held held

rpc-call pause '{"volume":"b"}' >/dev/null || bail "no pause"
check "a pause lets them go" wait_until 60 writes_are allowed allowed
sim-ctl meta b descend || bail "no ancestor"
with_header b split
rpc-call resume '{"volume":"b"}' >/dev/null || bail "no resume"
check "each has gone its own way: split brain" wait_until 60 field_is a state \
	split-brain
is "  and there is no fence (N4)" "$(field a writes) $(field b writes)" \
	"allowed allowed"
check "  both can be written" eval \
	'timeout 120 sim-ctl write a 0 4096 7 && timeout 120 sim-ctl write b 0 4096 7'
stop_daemon
is "replicad stops cleanly" $? 0
finish

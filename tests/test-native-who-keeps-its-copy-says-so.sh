#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site that another has taken over from would take
# an empty target for the end of that, or forget it of a part of a group, or where its
# state folder is full; or who keeps this copy could not say so while it is in use.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-route.sh"
requires_cmd successor replicactl jq

bytes=$((native_mib * 1048576))
# serve NAME: sets NAME_pid
serve() {
	start_target "$1" --threads=1
	eval "${1}_pid=$target_pid"
}
# with_header NAME HOW: what A finds there when it connects again
with_header() {
	successor "$scratch_dir/$1.target" $bytes ${2-} || bail "no header"
}
remembered() {
	jq -r .taken_over "$state_dir/a.id" "$state_dir/b.id" | xargs
}
says_another() {
	field_is "${1:-a}" state superseded &&
		field "${1:-a}" reason | grep -q "nothing is sent to another one"
}
hang_up() {
	kill_pid "$a_pid"
	kill_pid "$b_pid"
}
empty() {
	cmp -s -n "$(stat -c %s "$1")" "$1" /dev/zero
}

make_volume a
make_volume b
serve a
serve b
begin_config
configure a group=g
configure b group=g
start_daemon
check "both are replicated" eval 'wait_settled a 60 && wait_settled b 60'

mkdir "$state_dir/a.id.new"		# it cannot be noted of a
hang_up
with_header a
serve a
serve b
check "another site has taken over" wait_until 60 field_is a state superseded
is "  which could not be written of one" "$(remembered)" "no superseded"
is "  and is known" "$(field a taken_over)" superseded
cp "$scratch_dir/conf" "$scratch_dir/conf.old"
sed -i "s|^target=.*a.nbd.*|target=local:$scratch_dir/spare|" "$scratch_dir/conf"
cmp -s "$scratch_dir/conf" "$scratch_dir/conf.old" && bail "no other target"
truncate -s $((native_mib + 1))M "$scratch_dir/spare"
replicactl config reload >"$scratch_dir/said" 2>&1
check "  so no other target is taken" grep -q "so its target stays" \
	"$scratch_dir/said"
cp "$scratch_dir/conf.old" "$scratch_dir/conf"
rmdir "$state_dir/a.id.new"
rpc-call pause '{"volume":"a"}' >/dev/null || bail "no pause"
is "  and it is written with what is noted next" "$(remembered)" \
	"superseded superseded"
rpc-call resume '{"volume":"a"}' >/dev/null || bail "no resume"
check "it is superseded still" wait_until 60 field_is a state superseded

# T3: who says no, and who does not answer
session_of_b() {
	jq .loads,.attaches "$state_dir/b.id" | xargs
}
kill_daemon
session=$(session_of_b)
kill_pid "$a_pid"
start_daemon
check "one has no answer" wait_until 60 eval 'field a reason | grep -q connect:'
check "the other one is ours" wait_until 60 eval '[ "$(session_of_b)" != "$session" ]'
is "  both remember it" "$(remembered)" "superseded superseded"
kill_daemon

# One of a group is enough
cp "$state_dir/a.id" "$scratch_dir/a.id"
sed -i 's/"taken_over": "superseded"/"taken_over": "no"/' "$state_dir/a.id"
start_daemon
check "noted of one, it is so of the other one" wait_until 60 field_is a taken_over \
	superseded
kill_daemon
cp "$scratch_dir/a.id" "$state_dir/a.id"

# T1: the same name, and nobody there
kill_pid "$b_pid"
for v in a b; do
	truncate -s 0 "$scratch_dir/$v.target"
	truncate -s $((bytes + 1048576)) "$scratch_dir/$v.target"
done
serve a
serve b
start_daemon
check "an empty target of that name is another one" wait_until 60 says_another
check "  and nothing is written there" eval 'empty "$scratch_dir/a.target" &&
	empty "$scratch_dir/b.target"'
is "  both remember it" "$(remembered)" "superseded superseded"
check "it says how to keep what is here" eval \
	'field a next_step | grep -q "replicactl resync, and resume"'

# T5
is "who keeps this copy says yes in words" \
	"$(status_of replicactl resync a </dev/null)" 5
check "  and is told what it is about" says "Another site has taken over"
is "  nothing was decided" "$(remembered)" "superseded superseded"
check "then it is so" replicactl resync a --yes
is "  of the group" "$(remembered)" "no no"
check "  it goes on" replicactl resume a
check "  and is replicated there" eval 'wait_settled a 60 && wait_settled b 60'
stop_daemon
is "replicad stops cleanly" $? 0
finish

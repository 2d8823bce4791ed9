#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: an old primary that boots would come back as
# a second primary, by itself (P5).
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

a_options=$'activation=ask\nmetadata=/dev/meta-a\norigin='$scratch_dir/a.img
replicate_pair
make_epoch 11 0

# boot_a: A crashes; its devices are gone until somebody makes them
boot_a() {
	kill_daemon
	sim-ctl meta a unplug
	replicad-sim --config "$scratch_dir/conf" --insert \
		2>"$scratch_dir/inserted" || bail "no --insert"
}
plain_is() {
	[ "$(sim-ctl get a plain)" = "$1" ]
}
reason_is() {
	field_is a state error && field a reason | grep -q "$1"
}

boot_a
is "before there is a network nothing is made" "$(sim-ctl get a plain)" 1
check "  which is said" grep -q "activation=ask" "$scratch_dir/inserted"
start_daemon
check "nobody has taken over: it comes up" wait_until 60 plain_is 0
check "  and is replicated" wait_settled a 60

boot_a
kill_pid $b_pid
sim-ctl create c 1048576 || bail "no volume c"
sim-ctl meta c unplug || bail "the device of c is there"
truncate -s 1M "$scratch_dir/c.origin"
cp "$scratch_dir/conf" "$scratch_dir/conf.a"
printf '[volume c]\nactivation=ask\nmetadata=none\norigin=%s\ntarget=pair:p\n' \
	"$scratch_dir/c.origin" >>"$scratch_dir/conf"
echo >"$state_dir/c.id"
start_daemon
check "no answer: it does not come up" wait_until 60 reason_is \
	"not activated: its target does not say whether"
is "  at all" "$(sim-ctl get a plain)" 1
check "the next one has its turn (B3)" wait_until 60 eval \
	'field c reason | grep -q "c.id"'
check "  and this one again" reason_is "not activated: its target does not say"
kill_daemon
cp "$scratch_dir/conf.a" "$scratch_dir/conf"
start_daemon
start_b
check "the answer comes: it does" wait_until 60 plain_is 0
check "  and is replicated" wait_settled a 60

boot_a
b replicactl failover a --force >/dev/null 2>&1 || bail "no failover"
header() {
	b sha256sum "$stage_dir/a.fence"
}
before=$(header)
start_daemon
check "the other site has taken over: it does not" wait_until 60 reason_is \
	"not activated: the other site has taken over"
is "  at all" "$(sim-ctl get a plain)" 1
is "  and nothing was written there (B2)" "$(header)" "$before"
kill_daemon
start_daemon
check "also not after a restart" wait_until 60 reason_is "has taken over"
is "  " "$(sim-ctl get a plain)" 1
kill_daemon
cp "$scratch_dir/conf" "$scratch_dir/conf.pair"
start_target a
sed -i "s|^target=.*|target=$(uri_of a)|" "$scratch_dir/conf"
start_daemon
check "nor if another target, which knows nothing, is to be asked" wait_until 60 \
	reason_is "another site has taken over, as its target of that time"
is "  " "$(sim-ctl get a plain)" 1
kill_daemon
truncate -s $((native_mib + 1))M "$scratch_dir/here"
sed -i "s|^target=.*|target=local:$scratch_dir/here|" "$scratch_dir/conf"
start_daemon
check "nor one on this machine" wait_until 60 \
	reason_is "another site has taken over, as its target of that time"
is "  nobody is to mount it" "$(rpc-call path '{"volume":"a"}' | jq -r .use)" no
is "  " "$(sim-ctl get a plain)" 1
kill_daemon
sed 's/^activation=.*/activation=force/' "$scratch_dir/conf.pair" \
	>"$scratch_dir/conf"
start_daemon
check "with force it does" wait_until 60 plain_is 0
check "  and finds itself superseded" wait_until 60 field_is a state superseded
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a site that was promoted once, and is given
# up, could have its device back after a kill, as a second primary with old data,
# or be neither primary nor given up.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

b_is() {
	[ "$(b rpc-call get a "$1")" = "$2" ]
}

b_has() {
	[ "$(b rpc-call status | jq '.volumes | length')" = "$1" ]
}

b_record() {
	jq -r .step "$site_b/state/promotions/a.json" 2>/dev/null
}

# start_b_to_die_at STEP: site B as it was before, which dies there
start_b_to_die_at() {
	rm -rf "$site_b"
	cp -a "$scratch_dir/b-before" "$site_b"
	SIM_DIE_AT=$1 start_b
	wait_until 60 b_is state superseded || bail "B is not superseded"
	b replicactl resolve a --keep peer >/dev/null 2>&1
	wait $b_pid
	is "killed at $1" $? 137
}

# To B, from there to A, and A takes it over again.
replicate_pair
make_epoch 11 0
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
daemon_options=plugin=$plugin_so
begin_config
choose_port
mkdir "$scratch_dir/stage-a"
start_daemon
replicactl pair invite q --address "127.0.0.1:$port" --listen 127.0.0.1 \
	--dir "$scratch_dir/stage-a" --history 1h \
	--create "a:${native_mib}MiB:$scratch_dir/a-again.img" \
	>"$scratch_dir/token" || bail "A does not invite"
b replicactl pair join q <"$scratch_dir/token" || bail "B does not join"
b replicactl enable a --target pair:q --heartbeat 200ms --interval 20ms ||
	bail "B does not send it"
wait_until 60 b_is state replicating || bail "A does not get it: $(b rpc-call status; tail $daemon_log)"
b sim-ctl write a 0 65536 5
rm -f "$scratch_dir"/a.{img,map,view}
replicactl failover a --force >/dev/null || bail "no failover to A"
wait_until 60 b_is state superseded || bail "B is not superseded"
kill_b
cp -a "$site_b" "$scratch_dir/b-before"

for step in giving-up-begun giving-up-closed giving-up-seen; do
	start_b_to_die_at $step
	start_b
	check "  it is what it was" wait_until 60 b_is state superseded
	is "  in the kernel" "$(b sim-ctl get a role)" 1
	is "  and by its record" "$(b_record)" active
	check "  it can be given up" b replicactl resolve a --keep peer
	check "  then it is not there any more" b_has 0
	kill_b
done

for step in giving-up-done ending-retired ending-noted ending-disabled \
		ending-removed ending-forgotten; do
	start_b_to_die_at $step
	b sim-ctl meta a unplug		# the machine boots
	start_b
	check "  it goes on by itself, to the end" wait_until 60 b_has 0
	is "  there is no device" "$(b sim-ctl get a plain)" 1
	is "  and no record" "$(ls "$site_b/state/promotions")" ""
	refuses "  nor is it promoted again" "given up" \
		b replicactl failover a --force
	kill_b
	start_b
	check "  also not by the next start" b_has 0
	kill_b
done

# Its device cannot go: it is not made a primary for that.
rm -rf "$site_b"
cp -a "$scratch_dir/b-before" "$site_b"
start_b
wait_until 60 b_is state superseded || bail "B is not superseded"
touch "$site_b/stays"
refuses "its device stays: it is said" "could not be removed" \
	b replicactl resolve a --keep peer
is "it is given up all the same" "$(b_record)" given-up
refuses "a failover does not bring it back" "being given up" \
	b replicactl failover a --force
kill_b
start_b
check "nor does the next start" wait_until 60 b_is step given-up
check "  which says why" wait_until 60 eval \
	'b rpc-call get a reason | grep -q "could not be removed"'
rm "$site_b/stays"
check "the same again goes on" b replicactl resolve a --keep peer
check "  to its end" b_has 0
kill_b
stop_daemon
finish

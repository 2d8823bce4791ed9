#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a replicad that is killed while an old primary
# is given up would leave a volume that nobody opens again, or one that takes writes
# though it was given up; or who waits would be let through by a refusal.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

a_options=metadata=meta
replicate_pair
make_epoch 11 0
back=$epoch
make_epoch 12 65536
lose_a
sim-ctl write a 1048576 131072 66	# nobody at B ever sees this
cp "$scratch_dir/a.img" "$scratch_dir/alone.img"
b replicactl failover a --force --epoch "$back" >/dev/null || bail "no failover"

# Before the point of no return. Then the other site is out of reach, too.
for step in begun closed; do
	SIM_DIE_AT=giving-up-$step start_daemon
	wait_until 60 field_is a state superseded || bail "it is not superseded"
	replicactl resolve a --keep peer >/dev/null 2>&1
	wait $daemon_pid
	is "killed at $step" $? 137
	[ $step != closed ] || is "  it was closed" "$(sim-ctl get a role)" 3
	kill_pid $b_pid
	start_daemon
	check "  it is taken up" wait_until 60 field_is a writes allowed
	is "  its role" "$(sim-ctl get a role)" 1
	check "  it takes a write" sim-ctl write a 1048576 4096 66
	kill_daemon
	start_b
done

# Refused, where writers are suspended: they wait still.
sed -i 's/^metadata=/on_superseded=suspend\n&/' "$scratch_dir/conf"
start_daemon
check "suspended" wait_until 60 field_is a writes held
sim-ctl write a 2097152 4096 5 &
writer=$!
cleanup_fn kill_pid $writer
touch "$scratch_dir/suspended"		# a hold that is let go is not renewed
sim-ctl meta a open
rpc-call resolve '{"volume": "a", "keep": "peer", "wait_s": 1}' \
	>"$scratch_dir/says" 2>&1
check "refused: its last epoch is open" grep -q "still open" "$scratch_dir/says"
sleep 0.5
check "  who waits does so still" kill -0 $writer
rm "$scratch_dir/suspended"
sim-ctl meta a abort
kill_pid $writer
kill_daemon
sed -i '/^on_superseded/d' "$scratch_dir/conf"

# Where writers were refused, they are still, whether its role was durable or not.
printf 'on_superseded=readonly\n' >>"$scratch_dir/conf"
for step in closed seen; do
	SIM_DIE_AT=giving-up-$step start_daemon
	wait_until 60 field_is a state superseded || bail "it is not superseded"
	wait_until 60 field_is a writes refused || bail "it is not readonly"
	replicactl resolve a --keep peer >/dev/null 2>&1
	wait $daemon_pid
	is "readonly, and killed at $step" $? 137
	kill_b
	start_daemon
	check "  it is taken up" wait_until 60 eval \
		'[ "$(jq -r .given_up "$state_dir/a.id")" = no ]'
	is "  its role" "$(sim-ctl get a role)" 3
	refuses "  it takes no write" "Input/output error" \
		sim-ctl write a 1048576 4096 66
	start_b
	check "  and is superseded" wait_until 60 field_is a state superseded
	kill_daemon
done
sed -i '/^on_superseded/d' "$scratch_dir/conf"

# When it is noted as done, the role on its metadata device says so, too.
SIM_DIE_AT=giving-up-done start_daemon
wait_until 60 field_is a state superseded || bail "it is not superseded"
wait_until 60 field_is a writes allowed || bail "it takes no writes"
end=$(stat -c %s "$scratch_dir/a.img")
sim-ctl grow a $((end + 131072))		# nobody has noticed
sim-ctl write a $((end + 65536)) 65536 9
cp "$scratch_dir/a.img" "$scratch_dir/alone.img"
replicactl resolve a --keep peer >/dev/null 2>&1
wait $daemon_pid
is "killed after the point of no return" $? 137
sim-ctl reload a
is "  a power cut does not open it" "$(sim-ctl get a role)" 2
refuses "  nobody writes to it, also without replicad" "Input/output error" \
	sim-ctl write a 0 4096 7
start_daemon
check "  it stays given up" wait_until 60 field_is a state superseded
is "  what was only there is salvaged" "$(replicactl salvage --json |
	jq '.salvages | length >= 1')" true
name=$(replicactl salvage --json | jq -r '.salvages[0].name')
replicactl salvage "$name" --export "$scratch_dir/salvaged"
check "  also what is beyond its old end" cmp -n 131072 -i "$end" \
	"$scratch_dir/salvaged" "$scratch_dir/alone.img"
check "  its data are as they were" cmp "$scratch_dir/alone.img" \
	"$scratch_dir/a.img"
kill_daemon
kill_pid $b_pid
finish

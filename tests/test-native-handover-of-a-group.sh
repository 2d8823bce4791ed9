#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of volumes that belong together some would be
# handed over, and others go on here, whatever is killed or refused; or the other
# site would take them over as of different moments.
# lab: timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-failover-group.sh"

# A writer of each that has the device open without a claim, as if it had opened
# it a moment after we looked.
start_writer() {
	: >"$scratch_dir/written-$1"
	sim-ctl count "$1" 500 >"$scratch_dir/written-$1" 2>/dev/null &
	writers+=($!)
	cleanup_fn kill_pid $!
	wait_until 60 is_beyond "$1" 5 || bail "$1 is not written"
}

start_writers() {
	local v
	writers=()
	for v in $members; do
		start_writer $v
	done
}

end_writers() {
	local pid
	for pid in "${writers[@]}"; do
		kill_pid $pid
	done
}

last_written() {
	tail -n 1 "$scratch_dir/written-$1"
}

is_beyond() {
	[ "$(($(last_written "$1")))" -ge "$2" ]
}

go_on() {
	local v
	for v in $members; do
		wait_until 60 is_beyond $v $(($(last_written $v) + 10)) || return
	done
}

counter_in() {
	od -An -t u8 -N 8 "$1" | tr -d ' '
}

hand_over() {
	replicactl failover "${1-c}" --planned --group
}

group_options=metadata=meta
replicate_group
make_group_epoch 11 0

refuses "not in parts" "not handed over in parts: --group" \
	replicactl failover a --planned
check "a dry run of the group" replicactl failover c --planned --group \
	--dry-run --json
is "  tells of each" "$(replicactl failover c --planned --group --dry-run \
	--json | jq -c '[.group, (.volumes[] | .volume, .lost_bytes)]')" \
	'["g","a",0,"c",0]'
check "  and changes nothing" all_are state replicating
sim-ctl meta c use
refuses "not while one of them is open" "c: .*is in use" hand_over a
sim-ctl meta c leave
start_writers

# What one of them is refused has all go on: none has seen an error.
mkdir "$state_dir/c.id.new"
refuses "the last of them cannot be noted" "c.id: " hand_over
rmdir "$state_dir/c.id.new"
check "  all go on" go_on
is "  their roles are what they were" "$(roles)" "1 1"

# After they were closed, a program that had them open has seen one.
called_off() {
	end_writers
	is "  their roles are what they were" "$(roles)" "1 1"
	start_writers
	check "  all go on, and are replicated" wait_until 60 all_are state \
		replicating
}
sim-ctl meta c stuck
rpc-call failover \
	'{"volume": "a", "planned": true, "group": true, "wait_s": 12}' \
	>"$scratch_dir/says" 2>&1 &
call=$!
wait_until 60 eval '[ "$(sim-ctl get a role)" = 2 ]'
refuses "who is closed is not to be used (usable B4)" "not to be used here" \
	replicactl path a
wait $call
is "the last of them does not take its role" $? 6
sim-ctl meta c moving
called_off
ln -s nowhere "$state_dir/given-up"
refuses "that all are given up cannot be noted" "given-up: " hand_over
rm "$state_dir/given-up"
called_off
stop_daemon

# kill -9 at each step: before the point of no return all go on as primaries.
for at in held:1 begun:1 begun:2 closed:1 closed:2 seen:1; do
	step=${at%:*}
	SIM_DIE_AT=giving-up-$step SIM_DIE_TURN=${at#*:} start_daemon
	wait_until 60 all_are state replicating || bail "it does not replicate"
	hand_over >/dev/null 2>&1
	wait $daemon_pid
	is "killed at $at" $? 137
	end_writers
	case $at in
	closed:1) is "  the first is closed" "$(roles)" "2 1" ;;
	closed:2 | seen:1) is "  all are closed" "$(roles)" "2 2" ;;
	esac
	[ $step = held ] || for v in $members; do
		sim-ctl reload $v	# a crash of the machine
	done
	start_daemon
	check "  all go on as primaries" wait_until 60 all_are state replicating
	is "  by their roles" "$(roles)" "1 1"
	start_writers
	kill_daemon
	check "  they are written, also without replicad" go_on
done

# A note that cannot be read may be of them: they stay closed, and nothing is
# noted for it (given-up D3).
SIM_DIE_AT=giving-up-begun SIM_DIE_TURN=2 start_daemon
wait_until 60 all_are state replicating || bail "it does not replicate"
hand_over >/dev/null 2>&1
wait $daemon_pid
end_writers
for v in $members; do
	sim-ctl reload $v
done
mkdir -p "$state_dir/given-up"
echo '{' >"$state_dir/given-up/0123456789abcdef.json"
start_daemon
check "with a note that cannot be read none is opened" wait_until 60 all_are \
	state error
is "  they are closed" "$(roles)" "2 2"
check "  the folder is named" eval \
	'replicactl status 2>&1 | grep -q "given-up: .* stays closed"'
is "  and nothing is noted" "$(jq -r .given_up "$state_dir"/?.id | sort -u)" \
	begun
rm "$state_dir/given-up/0123456789abcdef.json"
kill_daemon
start_daemon
check "without it all go on as primaries" wait_until 60 all_are state replicating
is "  by their roles" "$(roles)" "1 1"
# An old one is not of this time (D2).
kill_daemon
SIM_DIE_AT=giving-up-begun SIM_DIE_TURN=2 start_daemon
wait_until 60 all_are state replicating || bail "it does not replicate"
echo '{"schema_version": 1, "volumes": ["a", "c"]}' \
	>"$state_dir/given-up/0123456789abcdef.json"
hand_over >/dev/null 2>&1
wait $daemon_pid
start_daemon
check "an old note does not give them up" wait_until 60 all_are state replicating
start_writers
kill_daemon

# Then none does: killed before each of them knows it by itself, and after.
cp -a "$state_dir" "$scratch_dir/state-before"
for v in $members; do
	cp "$scratch_dir/$v.img" "$scratch_dir/$v.before"
done
for at in agreed:1 done:1 done:2; do
	rm -rf "$state_dir"
	cp -a "$scratch_dir/state-before" "$state_dir"
	SIM_DIE_AT=giving-up-${at%:*} SIM_DIE_TURN=${at#*:} start_daemon
	wait_until 60 all_are state replicating || bail "it does not replicate"
	go_on || bail "they are not written"
	hand_over >/dev/null 2>&1
	wait $daemon_pid
	is "killed at $at, after the point of no return" $? 137
	for pid in "${writers[@]}"; do
		wait $pid
		is "  its writer has got an error" $? 1
	done
	for v in $members; do
		sim-ctl reload $v
	done
	start_daemon
	check "  all stay given up" wait_until 60 all_are state superseded
	is "  nobody writes to them" "$(roles)" "2 2"
	is "  each knows it by itself" "$(jq -r .given_up "$state_dir"/?.id |
		sort -u)" "done"
	is "  and the note is gone" "$(ls "$state_dir/given-up")" ""
	check "  the same again finds it done" hand_over
	[ $at != done:2 ] || break
	for v in $members; do
		check "  $v can be enabled anew" eval \
			"replicactl disable $v && replicactl enable $v"
	done
	check "  and they go on" wait_until 60 all_are state replicating
	stop_daemon
	start_writers
	rm -rf "$scratch_dir/state-before"
	cp -a "$state_dir" "$scratch_dir/state-before"
done

# The other site has all that was acknowledged, as of one moment.
stop_daemon
check "the other site takes them over" b replicactl failover a --group --force
for v in $members; do
	is "  $v with all that was written" "$(counter_in "$site_b/$v.base")" \
		"$(last_written $v)"
	check "  and the rest of it" cmp "$scratch_dir/$v.img" \
		"$site_b/$v.base"
done
is "  as of one epoch" "$(jq .epoch "$site_b"/state/promotions/*.json |
	sort -u | wc -l)" 1
is "  nothing had to be dropped" "$(b replicactl salvage)" \
	"There is no salvage."
kill_pid $b_pid
finish

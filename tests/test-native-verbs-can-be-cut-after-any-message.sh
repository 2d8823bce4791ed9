#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is a message of a verify, of a resync by
# digests, of a handover or of an old primary's return after which the link must
# not be cut: the verb would be half done, say what is not true, or leave two
# primaries, or the two sites would not agree after it was asked for again. Some of
# the messages of each are lost, or half of one, or one side is silent from it on;
# DMR_SOAK=1 takes all of them, DMR_SEED=N chooses others.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_cmd cut-proxy
native_mib=1
world=$scratch_dir/world
export SIM_DIR=$world
state_dir=$world/state
stage_dir=$world/stage
mkdir -p "$stage_dir"
site_b=$scratch_dir/b
kinds="lose-request half-request lose-reply half-reply mute-requests mute-replies"
seed=${DMR_SEED-$RANDOM}
RANDOM=$seed
steps=$scratch_dir/steps

uri_of() {
	echo "nbd+unix:///a?socket=$scratch_dir/proxy"
}

start_stage() {
	start_nbdkit "$scratch_dir/a.nbd" "$plugin_so" "dir=$stage_dir" \
		"create=a:${native_mib}MiB:$world/a.base" history=1h
	plugin_pid=$nbdkit_pid
}

start_a() {
	start_stage
	start_daemon
}

# end_a: with what is on disk at both sites
end_a() {
	kill_daemon
	kill_pid $plugin_pid
}

is_armed() {
	grep -q "^armed$" "$steps"
}

# arm MESSAGE KIND
arm() {
	echo "$1 $2" >"$scratch_dir/step"
	: >"$steps"
	kill -USR1 $proxy_pid
	wait_until 60 is_armed || bail "the proxy is not armed: $(tail -n 5 "$plugin_log")"
}

wrong() {
	printf '%s\n' "$verb: $step: $*" "$(cat "$scratch_dir/says")" \
		>>"$scratch_dir/wrong"
}

# in_words: a verb that failed has said why
in_words() {
	[ "$(wc -c <"$scratch_dir/says")" -gt 10 ] || wrong "not in words"
}

ask() {
	timeout 200 "$@" >"$scratch_dir/says" 2>&1
}

equal() {
	wait_settled a 60 >>"$scratch_dir/says" || wrong "it is not settled" ||
		return
	nbdcopy "nbd+unix:///a@latest?socket=$scratch_dir/a.nbd" \
		"$scratch_dir/image" && cmp "$world/a.img" \
		"$scratch_dir/image" >>"$scratch_dir/says" 2>&1 ||
		wrong "the images differ"
}

# cut_at MESSAGE KIND: one step of $verb
cut_at() {
	step="$1 $2"
	before_"$verb"
	arm "$1" "$2"
	during_"$verb"
	! grep -q ^step "$steps" || nr_cut=$((nr_cut + 1))
	after_"$verb"
}

# cut_all VERB MESSAGES: it has about so many, of each side
cut_all() {
	local m k had
	verb=$1 nr_cut=0
	if [ -n "${DMR_SOAK-}" ]; then
		for k in $kinds; do
			had=-1
			for ((m = 1; nr_cut > had; m++)); do
				had=$nr_cut
				cut_at $m "$k"
			done
			note "$verb: $k: $((m - 2)) messages"
		done
	else
		for k in $kinds; do
			cut_at $((RANDOM % $2 + 1)) "$k"
		done
		# Where chance has taken none that there is: the first ones.
		for ((m = 1; m < 4 && nr_cut < 2; m++)); do
			cut_at $m lose-request
		done
	fi
	note "$verb: $nr_cut cuts"
	check "$verb was cut" test $nr_cut -ge 2
	is "  each time it was done or not, and both agreed afterwards" \
		"$(cat "$scratch_dir/wrong" 2>/dev/null)" ""
	rm -f "$scratch_dir/wrong"
}

# --- verify: nothing differs --------------------------------------------------------
# On connections that are new, so that the digests' has to be made
before_verify() {
	replicactl pause a >"$scratch_dir/says" 2>&1 &&
		replicactl resume a >>"$scratch_dir/says" 2>&1 &&
		wait_settled a 60 >>"$scratch_dir/says" ||
		wrong "it is not settled"
}

during_verify() {
	ask replicactl verify a || in_words
	! grep -qE '[1-9][0-9.]* [KM]?i?B differ' "$scratch_dir/says" ||
		wrong "it finds a difference"
}

after_verify() {
	wait_settled a 60 >"$scratch_dir/says" || wrong "it is not settled"
	ask replicactl verify a || wrong "it cannot be repeated"
}

# --- resync: what differs is sent ---------------------------------------------------
# A write that nobody has seen
before_resync() {
	before_verify
	dd if=/dev/urandom of="$world/a.img" bs=4096 count=1 conv=notrunc \
		seek=$((RANDOM % 256)) status=none
}

during_resync() {
	ask replicactl resync a --yes || in_words
	wait_until 60 is_compared || wrong "it does not end"
}

is_compared() {
	settled a && field_is a comparing false
}

# What the digests would tell is sent as it is, where they are lost.
after_resync() {
	equal
}

# --- a handover ---------------------------------------------------------------------
# restore NAME: both sites as they were
restore() {
	rm -rf "$world" "$site_b"
	cp -a "$scratch_dir/$1.a" "$world"
	cp -a "$scratch_dir/$1.b" "$site_b"
}

keep() {
	cp -a "$world" "$scratch_dir/$1.a"
	cp -a "$site_b" "$scratch_dir/$1.b"
}

before_handover() {
	end_a
	restore settled
	start_a
	wait_settled a 60 >"$scratch_dir/says" || wrong "it is not settled"
	sim-ctl write a $((RANDOM % 200 * 4096)) 65536 $RANDOM
}

during_handover() {
	ask replicactl failover a --planned || in_words
}

# Once more, if it was not done; then the other one takes over.
after_handover() {
	if ! wait_until 60 is_one_or_the_other; then
		wrong "$(field a state): $(field a reason)"
		return
	fi
	if field_is a state replicating; then
		sim-ctl write a 0 4096 $RANDOM || wrong "no writes"
		ask replicactl failover a --planned || wrong "not repeated"
	fi
	is_given_up || wrong "it is not given up"
	check_taken_over "$world/a.img"
}

is_one_or_the_other() {
	field_is a state superseded || field_is a state replicating
}

is_given_up() {
	field_is a state superseded && field_is a writes refused &&
		! sim-ctl write a 0 4096 1 2>/dev/null
}

b() {
	SIM_DIR=$site_b REPLICA_SOCKET=$site_b/control "$@"
}

start_b() {
	printf '[replicad]\nstate_dir=%s\nreactors=1\n' "$site_b/state" \
		>"$site_b/conf"
	SIM_DIR=$site_b REPLICA_SOCKET=$site_b/control \
		replicad-sim --config "$site_b/conf" 2>>"$scratch_dir/b.log" &
	b_pid=$!
	cleanup_fn kill_pid $b_pid
	wait_until 60 b rpc-call status || bail "no replicad at B"
}

# check_taken_over IMAGE: B has it, then
check_taken_over() {
	kill_pid $plugin_pid
	start_b
	b timeout 200 replicactl failover a --force --dir "$stage_dir" \
		>"$scratch_dir/says" 2>&1 || wrong "B does not take over"
	cmp "$1" "$world/a.base" >>"$scratch_dir/says" 2>&1 ||
		wrong "B has not what was handed over"
	kill_pid $b_pid
}

# --- the return of the old primary ------------------------------------------------------
before_return() {
	end_a
	restore lost
	cp "$world/a.img" "$scratch_dir/alone.img"
	start_stage
}

during_return() {
	start_daemon
	wait_until 60 field_is a state superseded ||
		wrong "$(field a state): $(field a reason)"
	ask replicactl resolve a --keep peer || in_words
}

after_return() {
	local name
	is_given_up || ask replicactl resolve a --keep peer ||
		wrong "it cannot be repeated"
	is_given_up || wrong "A still writes"
	cmp "$world/a.img" "$scratch_dir/alone.img" >"$scratch_dir/says" ||
		wrong "its data have changed"
	name=$(replicactl salvage --json | jq -r '.salvages[].name')
	replicactl salvage "$name" --export "$scratch_dir/kept" \
		>"$scratch_dir/says" 2>&1 &&
		cmp -n 65536 -i 131072 "$scratch_dir/kept" \
		"$scratch_dir/alone.img" >>"$scratch_dir/says" 2>&1 ||
		wrong "what was only there is not in one salvage"
	rm -f "$scratch_dir/kept"
}

# --- all of it ----------------------------------------------------------------------
sim-ctl create a $((native_mib * 1048576)) && sim-ctl write a 0 524288 ||
	bail "cannot make the volume"
mkdir "$site_b"
: >"$steps"
cut-proxy --asked "$scratch_dir/proxy" "$scratch_dir/a.nbd" \
	"$scratch_dir/step" "$steps" 2>>"$plugin_log" &
proxy_pid=$!
cleanup_fn kill_pid $proxy_pid
begin_config
printf '%s\n' '[volume a]' "target=$(uri_of a)" interval=20ms connections=1 \
	stale_wait=100ms heartbeat=1h retry_max=100ms timeout=3s \
	>>"$scratch_dir/conf"
note "DMR_SEED=$seed"
start_a
wait_settled a 60 || bail "no first sync"
stop_daemon
kill_pid $plugin_pid
keep settled

start_a
cut_all verify 7
cut_all resync 10
cut_all handover 4
end_a
restore settled

# B takes over; what A has written meanwhile is only there.
start_b
b replicactl failover a --force --dir "$stage_dir" >/dev/null ||
	bail "no failover"
kill_pid $b_pid
sim-ctl write a 131072 65536 77
keep lost
start_a
cut_all return 12
end_a
finish

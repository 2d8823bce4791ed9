# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# A random walk of verbs and faults, after lib.sh and lib-native.sh: sites A and B,
# each with a replicad on its own simulated kernel. An application writes at the
# primary all the time (walk-oracle.c). What is chosen follows from the seed
# alone; what is under way at that moment does not. lib-walk-steps.sh has the steps.
#
# R1 two devices that take writes are never of one generation (P5).
# R2 what a stage shows is as the volumes were at one moment, all of them, and
#    not before a moment that was surely committed ($floor) (P1).
# R3 a planned failover has exactly what was acknowledged; a forced one not less
#    than $floor, or exactly the epoch that was asked for.
# R4 what is given up is at the other site, or in a salvage (L4).
# R5 after calm both sites are equal.
# R6 each replicad that was not killed lives, answers, and says of each volume
#    that does not replicate why, and what is next.

requires_cmd jq nbdcopy ss walk-oracle cut-proxy
plugin_so=$top_dir/daemon/nbdkit-replica-plugin.so
[ -e "$plugin_so" ] || skip_all "needs $plugin_so"

declare -A replicad_pid writer_pid
declare -A promoted_at		# [SITE] is set: what it gives up is gone then

# begin_walk SEED: $members of volumes, at A
begin_walk() {
	local v
	walk_dir=$scratch_dir/walk$1
	walk_log=$walk_dir/log
	RANDOM=$1
	mkdir -p "$walk_dir"/{A,B}
	primary=A receiver=B phase=alone
	nr_pairs=0 port='' link_pid='' floor=0.0 is_wrong='' mib=2 is_unpaired=1
	promoted_at=()
	: >"$walk_dir/lives"
	members=a
	[ $(($1 % 2)) = 0 ] || members="a c"
	for v in $members; do
		at A sim-ctl create $v $((mib * 1048576)) ||
			bail "cannot make the volume $v"
	done
	start_site A
	start_site B
	start_writer A
}

end_walk() {
	local s
	for s in A B; do
		end_writer $s
		kill_site $s
	done
	cut_link
}

# --- what was chosen ----------------------------------------------------------
# choose WORD...: one of them
choose() {
	local nr=$((RANDOM % $# + 1))
	chosen=${!nr}
}

one_in() {
	[ $((RANDOM % $1)) = 0 ]
}

say() {
	echo "$*" >>"$walk_log"
}

# wrong WHAT: the walk ends here
wrong() {
	local s
	[ -z "$is_wrong" ] || return 1
	is_wrong=$*
	say "WRONG: $*"
	for s in A B; do
		say "$s: $(at $s rpc-call status 2>&1 | jq -c '.volumes[] |
			[.name, .state, .reason, .writes, .dirty_bytes]')"
		say "$(tail -n 10 "$walk_dir/$s/log")"
	done
	return 1
}

other_than() {
	if [ "$1" = A ]; then echo B; else echo A; fi
}

# --- sites --------------------------------------------------------------------
# at SITE COMMAND...
at() {
	local s=$1
	shift
	SIM_DIR=$walk_dir/$s REPLICA_SOCKET=$walk_dir/$s/control "$@"
}

lives() {
	[ -n "${replicad_pid[$1]-}" ]
}

start_site() {
	local s=$1
	! lives "$s" || return 0
	printf '[replicad]\nstate_dir=%s\nreactors=1\nplugin=%s\n' \
		"$walk_dir/$s/state" "$plugin_so" >"$walk_dir/$s/conf"
	SIM_DIR=$walk_dir/$s REPLICA_SOCKET=$walk_dir/$s/control \
		replicad-sim --config "$walk_dir/$s/conf" \
		2>>"$walk_dir/$s/log" &
	replicad_pid[$s]=$!
	cleanup_fn kill_pid $!
	wait_until 60 at "$s" rpc-call status ||
		wrong "replicad of $s does not start"
}

kill_site() {
	lives "$1" || return 0
	kill_pid "${replicad_pid[$1]}"
	replicad_pid[$1]=
}

stop_site() {
	local status=0
	kill -TERM "${replicad_pid[$1]}"
	wait "${replicad_pid[$1]}" || status=$?
	replicad_pid[$1]=
	[ $status = 0 ] || wrong "replicad of $1 ends with $status"
}

servers() {
	pgrep -f -- "^[^ ]*nbdkit .*$walk_dir/[AB]/"
}

# kill_both: and their servers, at one moment. Sets killed: the sites that lived.
kill_both() {
	local s pids=()
	killed=()
	for s in A B; do
		lives $s || continue
		killed+=($s)
		pids+=("${replicad_pid[$s]}")
	done
	# shellcheck disable=SC2046
	kill -KILL "${pids[@]}" $(servers) 2>/dev/null
	for s in "${killed[@]}"; do
		kill_site $s
	done
	wait_until 60 eval '! servers >/dev/null' ||
		wrong "servers go on that were killed"
}

# start_killed: those, in either order
start_killed() {
	local s
	[ ${#killed[@]} != 2 ] || one_in 2 ||
		killed=("${killed[1]}" "${killed[0]}")
	for s in "${killed[@]}"; do
		start_site "$s" || return
	done
}

# kill_both_at SITE STEP COMMAND...: both when SITE, started anew, has come to STEP
# of COMMAND, or has ended that. Sets is_reached.
kill_both_at() {
	local s=$1 asked
	rm -f "$walk_dir/$s/reached"
	touch "$walk_dir/$s/hold"
	kill_site "$s"
	SIM_HOLD_AT=$2 start_site "$s" || return
	shift 2
	"$@" &
	asked=$!
	wait_until 120 eval '[ -e "$walk_dir/$s/reached" ] ||
		! kill -0 '$asked
	kill_both || return
	wait $asked
	rm "$walk_dir/$s/hold"
	is_reached=
	[ ! -e "$walk_dir/$s/reached" ] || is_reached=1
}

# kill_both_after MS COMMAND...: of its begin, wherever it is then
kill_both_after() {
	local ms=$1 asked
	shift
	"$@" &
	asked=$!
	sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
	kill_both || return
	wait $asked
	true
}

# of SITE VOLUME FIELD
of() {
	at "$1" rpc-call get "$2" "$3"
}

# all_of SITE FIELD VALUE: of all members; VALUE is a pattern
all_of() {
	local v
	for v in $members; do
		# shellcheck disable=SC2053 # it is a pattern
		[[ $(of "$1" $v "$2") == $3 ]] || return
	done
}

is_settled() {
	all_of "$primary" state replicating &&
		all_of "$primary" dirty_bytes 0 && all_of "$primary" epoch 0
}

# --- the link -----------------------------------------------------------------
# The receiver listens at 127.0.0.2; the other site is told of 127.0.0.1.
mend_link() {
	[ -n "$port" ] && [ -z "$link_pid" ] || return 0
	cut-proxy "127.0.0.1:$port" "127.0.0.2:$port" 0 "$walk_dir/steps" \
		2>>"$walk_dir/proxy.log" &
	link_pid=$!
	cleanup_fn kill_pid $link_pid
	wait_until 60 eval '[ -n "$(ss -Hltn "src 127.0.0.1:$port")" ]' ||
		wrong "no link: $(tail -n 1 "$walk_dir/proxy.log")"
}

cut_link() {
	[ -z "$link_pid" ] || kill_pid "$link_pid"
	link_pid=
}

# --- the application ------------------------------------------------------------
start_writer() {
	local s=$1 before
	[ -z "${writer_pid[$s]-}" ] || return 0
	before=$(wc -l <"$walk_dir/lives")
	# shellcheck disable=SC2086
	SIM_DIR=$walk_dir/$s walk-oracle --least "${2-0.0}" write \
		"$walk_dir/lives" "$walk_dir/$s/acked" $members \
		>"$walk_dir/$s/writer" 2>&1 &
	writer_pid[$s]=$!
	cleanup_fn kill_pid $!
	wait_until 60 eval '[ $(wc -l <"$walk_dir/lives") -gt '$before' ] ||
		! kill -0 ${writer_pid['$s']}'
	[ "$(wc -l <"$walk_dir/lives")" -gt "$before" ] && return
	sed 's/^# //' "$walk_dir/$s/writer" >>"$walk_log"
	wrong "the volumes of $s are not what they were"
}

# end_writer SITE: its last record is acknowledged
end_writer() {
	[ -n "${writer_pid[$1]-}" ] || return 0
	kill -TERM "${writer_pid[$1]}" 2>/dev/null
	wait "${writer_pid[$1]}"
	writer_pid[$1]=
}

kill_writer() {
	[ -z "${writer_pid[$1]-}" ] || kill_pid "${writer_pid[$1]}"
	writer_pid[$1]=
}

# acked SITE: the newest moment that was acknowledged there
acked() {
	od -An -t u8 -w24 "$walk_dir/$1/acked" |
		awk '{ print $3 ? $1 "." $3 : "0.0" }'
}

# --- images -------------------------------------------------------------------
# judge [--least LIFE.N] [--exactly LIFE.N] IMAGE...: sets moment
judge() {
	local options=()
	while [ "${1:0:2}" = -- ]; do
		options+=("$1" "$2")
		shift 2
	done
	moment=$(walk-oracle ${options[@]+"${options[@]}"} check \
		"$walk_dir/lives" "$@") && return
	sed 's/^# //' <<<"$moment" >>"$walk_log"
	return 1
}

# images SITE: of its devices
images() {
	local v
	for v in $members; do
		echo "$walk_dir/$1/$v.img"
	done
}

# newest_epoch: of all members, by what is on the receiver's disk
newest_epoch() {
	at "$receiver" replicactl history a --target "stage:$stage/a" --json \
		2>>"$walk_dir/fetch.log" | jq '.last_committed // empty'
}

# fetch [EPOCH]: what the receiver shows, as files $fetched; status 1: nothing
fetch() {
	local v newest=${1-}
	[ -n "$newest" ] || newest=$(newest_epoch)
	[ -n "$newest" ] || return
	fetched=()
	for v in $members; do
		rm -f "$walk_dir/$v.fetched"
		nbdcopy "nbds://$pair_id@127.0.0.2:$port/$v@$newest?tls-psk-file=$(
			)$walk_dir/$receiver/state/pairs/$pair.key" \
			"$walk_dir/$v.fetched" 2>>"$walk_dir/fetch.log" ||
			return
		fetched+=("$walk_dir/$v.fetched")
	done
}

# --- what must always hold ------------------------------------------------------
# R1
check_generations() {
	local v s seen
	for v in $members; do
		seen=
		for s in A B; do
			[ "$(at $s sim-ctl get $v plain 2>/dev/null)" = 0 ] &&
				[ "$(at $s sim-ctl get $v role)" = 1 ] ||
				continue
			seen+="$(at $s sim-ctl get $v generation) "
		done
		# shellcheck disable=SC2086
		set -- $seen
		[ $# -lt 2 ] || [ "$1" != "$2" ] ||
			wrong "$v takes writes at both sites as of one generation" ||
			return
	done
}

# R6
is_clear() {
	at "$1" replicactl status --json >"$walk_dir/status"
	json_holds '.volumes | all(.state == "replicating" or
		((.reason | length) > 0 and (.next_step | length) > 0))' \
		<"$walk_dir/status" >/dev/null
}

check_status() {
	local s
	for s in A B; do
		lives $s || continue
		kill -0 "${replicad_pid[$s]}" 2>/dev/null ||
			wrong "replicad of $s has died: $(tail -n 3 \
				"$walk_dir/$s/log")" || return
		wait_until 60 is_clear $s ||
			wrong "the status of $s is not clear" || return
	done
}

# R2: the newest image; it may be that nobody serves now
check_image() {
	[ "$phase" = paired ] && fetch || return 0
	judge --least "$floor" "${fetched[@]}" ||
		wrong "the image of $receiver is not one that was"
}

check_always() {
	check_generations && check_status && check_image
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# The steps of a random walk, after lib-walk.sh. Each returns 1 if something is
# wrong (or asks for what was), and leaves the walk in one of these phases:
#
#	paired	$primary sends to $receiver
#	alone	$primary has no receiver: at first, after a failover

enable_options="--heartbeat 200ms --interval 20ms --stale-wait 300ms
	--target-timeout 2s --yes"

enable_all() {
	local v
	for v in $members; do
		# shellcheck disable=SC2086
		at "$primary" replicactl enable $v --target "pair:$pair" \
			--metadata meta $enable_options \
			${group:+--group "$group"} >>"$walk_log" 2>&1 ||
			wrong "$v cannot be enabled at $primary" || return
	done
}

disable_all() {
	local v
	for v in $members; do
		[ -n "$(of "$1" $v state 2>>"$walk_log")" ] || continue
		at "$1" replicactl disable $v >>"$walk_log" 2>&1 ||
			wrong "$v cannot be disabled at $1" || return
	done
}

# scribble FILE: it was a plain device for a while, which is anybody's
scribble() {
	dd if=/dev/urandom of="$1" bs=4096 count=2 conv=notrunc status=none \
		seek=$((nr_pairs * 41 % (mib * 256 - 1)))
}

# The receiver's stage is new, on the disks that it has, whatever is there.
make_pair() {
	local v creates=() base
	cut_link
	nr_pairs=$((nr_pairs + 1))
	pair=p$nr_pairs
	stage=$walk_dir/$receiver/stage$nr_pairs is_copied=
	mkdir "$stage"
	for v in $members; do
		base=$walk_dir/$receiver/$v.img
		[ -e "$base" ] || base=$walk_dir/$receiver/$v.base
		[ ! -e "$base" ] || scribble "$base"
		creates+=(--create "${group:+$group/}$v:${mib}MiB:$base")
	done
	choose_port_of_both
	at "$receiver" replicactl pair invite $pair --dir "$stage" \
		--address "127.0.0.1:$port" --listen 127.0.0.2 --history 1h \
		${creates[@]+"${creates[@]}"} >"$walk_dir/token" \
		2>>"$walk_log" || wrong "$receiver does not invite" || return
	mend_link || return
	at "$primary" replicactl pair join $pair <"$walk_dir/token" \
		>>"$walk_log" 2>&1 ||
		wrong "$primary does not join" || return
	pair_id=$(at "$receiver" rpc-call pair_list | jq -r --arg n $pair \
		'.pairs[] | select(.name == $n) | .pair_id')
}

choose_port_of_both() {
	local state=$RANDOM
	RANDOM=$$$nr_pairs
	for _ in 1 2 3 4 5 6 7 8 9; do
		port=$((20000 + RANDOM % 10000))
		[ -n "$(ss -Hltn "sport = :$port")" ] || break
	done
	RANDOM=$state
}

# --- paired ---------------------------------------------------------------------
# R5
step_calm() {
	mend_all || return
	end_writer "$primary"
	wait_until 120 is_settled ||
		wrong "it does not become calm" || return
	wait_until 60 fetch ||
		wrong "nobody serves what is there" || return
	# shellcheck disable=SC2046
	judge --least "$floor" $(images "$primary") ||
		wrong "the volumes of $primary are not what was written" ||
		return
	judge --exactly "$moment" "${fetched[@]}" ||
		wrong "after calm both are not equal" || return
	floor=$moment
	start_writer "$primary" "$floor"
}

# All is there, and the link: what a fault has left is put right.
mend_all() {
	start_site "$primary" && start_site "$receiver" && mend_link &&
		resume_all "$primary"
}

resume_all() {
	local v
	for v in $members; do
		[ "$(of "$1" $v state)" != paused ] || at "$1" \
			replicactl resume $v >>"$walk_log" 2>&1 ||
			wrong "$v is not resumed" || return
	done
}

committed() {
	of "$primary" a last_committed
}

is_beyond_epoch() {
	[ "$(committed)" -gt "$1" ]
}

# What was acknowledged before an epoch was committed is in the next one.
step_work() {
	local was now
	mend_all || return
	wait_until 120 all_of "$primary" state replicating ||
		wrong "it does not replicate" || return
	was=$(acked "$primary")
	now=$(committed)
	wait_until 120 is_beyond_epoch "$now" || wrong "no epoch" || return
	now=$(committed)
	wait_until 120 is_beyond_epoch "$now" || wrong "no epoch" || return
	[ "$was" = 0.0 ] || floor=$was
}

step_kill_primary() {
	kill_site "$primary"
	one_in 3 || start_site "$primary"
}

step_kill_receiver() {
	kill_site "$receiver"
	one_in 3 || start_site "$receiver"
}

step_kill_both() {
	kill_both && start_killed
}

step_kill_server() {
	local pid
	lives "$receiver" || return 0
	pid=$(at "$receiver" rpc-call pair_list | jq -r --arg n $pair \
		'.pairs[] | select(.name == $n) | .server_pid // empty')
	[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null
	true
}

step_restart() {
	choose A B
	lives "$chosen" && { stop_site "$chosen" || return; }
	start_site "$chosen"
}

step_cut_link() {
	cut_link
	one_in 2 || mend_link
}

# The machine of the primary loses power.
step_power_cut() {
	local v
	kill_site "$primary"
	kill_writer "$primary"
	for v in $members; do
		at "$primary" sim-ctl reload $v
	done
	one_in 2 && { start_writer "$primary" "$floor" || return; }
	start_site "$primary" && start_writer "$primary" "$floor"
}

step_pause() {
	choose $members
	lives "$primary" || return 0
	at "$primary" replicactl pause "$chosen" >>"$walk_log" 2>&1 ||
		wrong "it cannot be paused"
}

step_resync() {
	choose $members
	start_site "$primary" || return
	at "$primary" replicactl resync "$chosen" --yes >>"$walk_log" 2>&1 ||
		wrong "no resync"
}

# There is nothing that differs, whatever is written meanwhile.
step_verify() {
	local status=0
	mend_all || return
	wait_until 120 all_of "$primary" state replicating ||
		wrong "it does not replicate" || return
	choose $members
	at "$primary" timeout 120 replicactl verify "$chosen" \
		>>"$walk_log" 2>&1 || status=$?
	[ $status = 0 ] || wrong "verify says $status"
}

# An epoch of the history, and test devices of it.
step_history() {
	local v uri n=0
	mend_all || return
	choose_epoch || return 0
	fetch "$epoch" || wrong "epoch $epoch cannot be read" || return
	judge "${fetched[@]}" || wrong "epoch $epoch never was" || return
	for v in $members; do
		at "$primary" replicactl test $v --no-attach --epoch "$epoch" \
			--name t$v --json >"$walk_dir/test" 2>>"$walk_log" ||
			wrong "no test device of $v" || return
		uri=$(jq -r .uri "$walk_dir/test")
		rm -f "$walk_dir/$v.test"
		nbdcopy "$uri" "$walk_dir/$v.test" 2>>"$walk_log" &&
			cmp "$walk_dir/$v.test" "${fetched[$n]}" \
			>>"$walk_log" 2>&1 ||
			wrong "the test device of $v is not epoch $epoch" ||
			return
		n=$((n + 1))
		at "$primary" replicactl test --drop t$v --yes \
			>>"$walk_log" 2>&1 ||
			wrong "the test device of $v stays" || return
	done
}

# choose_epoch: sets epoch, to one that the receiver shows
choose_epoch() {
	local all
	wait_until 60 eval 'all=$(at "$primary" replicactl history a --json |
		jq -r ".epochs[] | select(.kind == \"clean\") | .epoch")' ||
		return
	[ -n "$all" ] || return
	# shellcheck disable=SC2086
	choose $all
	epoch=$chosen
}

step_extend() {
	local v
	[ $mib -lt 5 ] || return 0
	mend_all || return
	mib=$((mib + 1))
	end_writer "$primary"
	for v in $members; do
		at "$primary" sim-ctl grow $v $((mib * 1048576))
	done
	start_writer "$primary" "$floor" || return
	wait_until 120 all_of "$primary" size_bytes $((mib * 1048576)) ||
		wrong "it does not grow"
}

# Nothing is tracked for a while; then all of it is looked at.
step_enable_anew() {
	mend_all && disable_all "$primary" && enable_all
}

# Another pairing, which does not take what an older one has: that goes.
step_pair_anew() {
	mend_all && disable_all "$primary" || return
	at "$receiver" replicactl pair revoke $pair --yes >>"$walk_log" 2>&1 ||
		wrong "the pair stays" || return
	wait_until 60 at "$receiver" replicactl delete a --replica \
		${group:+--group} --dir "$stage" --keep-base --yes \
		2>>"$walk_log" || wrong "the replica stays" || return
	floor=0.0
	make_pair && enable_all
}

# --- failover ---------------------------------------------------------------------
failover_at() {
	local s=$1
	shift
	at "$s" timeout 300 replicactl failover a ${group:+--group} "$@" \
		--yes >>"$walk_log" 2>&1
}

is_promoted() {
	all_of "$1" state promoted
}

# choose_death STEP...: sets die_at to one of them, or to nothing, and dies_alone
choose_death() {
	die_at='' dies_alone=''
	one_in 2 || return 0
	choose "$@"
	die_at=$chosen
	one_in 2 || dies_alone=1
}

# die SITE COMMAND...: at $die_at of COMMAND; who was killed is back. Without
# dies_alone it may be after-MS.
die() {
	say "  $1 dies ${dies_alone:+alone }at $die_at"
	if [ -z "$dies_alone" ]; then
		case $die_at in
		after-*) kill_both_after "${die_at#after-}" "${@:2}" ;;
		*) kill_both_at "$1" "$die_at" "${@:2}" ;;
		esac && start_killed
		return
	fi
	kill_site "$1"
	SIM_DIE_AT=$die_at start_site "$1" || return
	"${@:2}"
	wait_until 20 eval '! kill -0 ${replicad_pid['"$1"']}'
	kill_site "$1"
	start_site "$1"
}

promotion_steps=$(for step in begun fenced salvaged marked applied left active; do
	echo "done-$step" "noted-$step"
done)

# promote [--epoch E]: the receiver takes over, whatever kills it on the way
promote() {
	# shellcheck disable=SC2086
	choose_death $promotion_steps
	if [ -n "$die_at" ]; then
		die "$receiver" failover_at "$receiver" --force "$@"
	else
		kill_site "$receiver"
		start_site "$receiver"
	fi || return
	wait_until 60 takes_over "$@" ||
		wrong "$receiver cannot take over" || return
	wait_until 120 is_promoted "$receiver" ||
		wrong "$receiver is not promoted"
}

# It may be that replicad goes on with one that was begun, or that a server of the
# replicad that was killed is still there: who asks is told, and asks again.
takes_over() {
	is_promoted "$receiver" || failover_at "$receiver" --force "$@" ||
		tail -n 1 "$walk_log" | grep -q "a failover is under way"
}

# taken_over: what was the receiver is the primary
taken_over() {
	local was=$primary
	primary=$receiver receiver=$was phase=alone is_unpaired=
	base_moment=$moment floor=$moment promoted_at[$primary]=
	start_writer "$primary" "$floor"
}

# R3: the site of the primary is lost, or cut off, or just slow
fates="dead alive cut"
step_failover_forced() {
	local exactly=()
	[ -n "$is_copied" ] || end_copy || return
	choose newest newest older
	if [ "$chosen" = older ]; then
		mend_all && choose_epoch || return 0
		fetch "$epoch" || wrong "epoch $epoch cannot be read" || return
		judge "${fetched[@]}" || wrong "epoch $epoch never was" ||
			return
		exactly=(--epoch "$epoch")
	fi
	# shellcheck disable=SC2086
	choose $fates
	say "  the primary is $chosen ${exactly[*]-}"
	case $chosen in
	dead) kill_site "$primary"; one_in 2 || kill_writer "$primary" ;;
	cut) cut_link ;;
	esac
	[ -n "${exactly[*]-}" ] || moment=$floor
	exactly_at=$moment
	promote ${exactly[@]+"${exactly[@]}"} || return
	# shellcheck disable=SC2046
	if [ -n "${exactly[*]-}" ]; then
		judge --exactly "$exactly_at" $(images "$receiver")
	else
		judge --least "$floor" $(images "$receiver")
	fi || wrong "$receiver has not what it should have" || return
	taken_over
}

hand_over() {
	wait_until 120 all_of "$primary" state replicating &&
		failover_at "$primary" --planned
}

# steps_of_end SITE: after it was given up; there are some where it was promoted
steps_of_end() {
	[ -z "${promoted_at[$1]+set}" ] || echo ending-retired ending-noted \
		ending-disabled ending-removed ending-forgotten
}

# R3: whoever writes until the last moment gets an error then.
step_failover_planned() {
	local s
	mend_all || return
	one_in 2 || end_writer "$primary"
	# shellcheck disable=SC2046
	choose_death giving-up-{held,begun,closed,agreed,done} \
		$(steps_of_end "$primary")
	if [ -n "$die_at" ]; then
		die "$primary" hand_over || return
	else
		hand_over || wrong "$primary does not hand over" || return
	fi
	wait_until 120 is_decided "$die_at" ||
		wrong "it is neither handed over nor here" || return
	if ! is_closed "$primary"; then
		say "  it was called off"
		end_writer "$primary"
		start_writer "$primary" "$floor"
		return
	fi
	[ -z "${writer_pid[$primary]}" ] ||
		wait_until 60 eval '! kill -0 ${writer_pid[$primary]}' ||
		wrong "writes still succeed at $primary" || return
	kill_writer "$primary"
	# shellcheck disable=SC2046
	judge $(images "$primary") ||
		wrong "the volumes of $primary are not what was written" ||
		return
	s=$(acked "$primary")
	[ "$s" = 0.0 ] || [ "$s" = "$moment" ] ||
		wrong "$s was acknowledged, $moment is there" || return
	exactly_at=$moment
	promote || return
	# shellcheck disable=SC2046
	judge --exactly "$exactly_at" $(images "$receiver") ||
		wrong "$receiver has not what was handed over" || return
	taken_over
}

# is_closed SITE: given up there; what was promoted there is gone with that
is_closed() {
	all_of "$1" state '@(superseded|)'
}

# is_decided [STEP]: as it must be after a death at that step
is_decided() {
	case $1 in
	giving-up-held | giving-up-begun | giving-up-closed | giving-up-seen)
		all_of "$primary" state replicating ;;
	after-*) is_closed "$primary" || all_of "$primary" state replicating ;;
	*) all_of "$primary" state "${promoted_at[$primary]-superseded}" ;;
	esac
}

# --- alone --------------------------------------------------------------------------
# The other site gives up what it has, and receives.
step_come_back() {
	start_site "$primary" && start_site "$receiver" && mend_link || return
	if [ -z "$is_unpaired" ]; then
		resume_all "$receiver" && give_up && disable_all "$receiver" || return
	fi
	make_pair && enable_all || return
	one_in 3 || end_copy || return
	phase=paired
}

is_there() {
	all_of "$primary" state replicating
}

# Before the first copy has ended there is nothing to take over.
end_copy() {
	mend_all && wait_until 120 is_there ||
		wrong "the first copy does not end" || return
	is_copied=1
}

is_given_up_or_split() {
	is_closed "$receiver" || all_of "$receiver" state split-brain
}

is_given_up() {
	local writes
	writes=$(of "$receiver" "$1" writes 2>>"$walk_log")
	[ -z "$writes" ] || [ "$writes" = refused ]
}

all_given_up() {
	local v
	for v in $members; do
		is_given_up $v || return
	done
}

resolve_all() {
	local v
	wait_until 120 is_given_up_or_split || return
	for v in $members; do
		! is_given_up $v || continue
		at "$receiver" timeout 120 replicactl resolve $v --keep peer \
			--yes >>"$walk_log" 2>&1 || return
	done
}

# R4
give_up() {
	wait_until 120 is_given_up_or_split ||
		wrong "$receiver does not see that it is superseded" || return
	say "  $(of "$receiver" a state)"
	if ! all_given_up; then
		# shellcheck disable=SC2046
		choose_death giving-up-{begun,closed,seen,done} \
			$(steps_of_end "$receiver")
		[ -z "$die_at" ] || die "$receiver" resolve_all || return
	fi
	resolve_all || wrong "it is not given up at $receiver" || return
	end_writer "$receiver"
	# shellcheck disable=SC2046
	judge $(images "$receiver") ||
		wrong "the volumes given up are not what was written" || return
	check_kept
}

check_kept() {
	local v befores=() n=0
	for v in $members; do
		befores+=("$walk_dir/$v.before")
	done
	walk-oracle image "$walk_dir/lives" "$base_moment" $((mib * 256)) \
		"${befores[@]}" >>"$walk_log" 2>&1 ||
		wrong "what was there before cannot be told" || return
	for v in $members; do
		export_salvages $v
		walk-oracle kept "$walk_dir/$receiver/$v.img" \
			"${befores[$n]}" ${exported[@]+"${exported[@]}"} \
			>>"$walk_log" 2>&1 ||
			wrong "what $v had at $receiver is lost" || return
		n=$((n + 1))
	done
}

# export_salvages VOLUME: of both sites; sets exported. Then they go.
export_salvages() {
	local s name
	exported=()
	for s in A B; do
		for name in $(at $s replicactl salvage --json | jq -r \
				--arg v "$1" '.salvages[] |
				select(.volume == $v) | .name'); do
			rm -f "$walk_dir/$name.$s"
			at $s replicactl salvage "$name" --export \
				"$walk_dir/$name.$s" >>"$walk_log" 2>&1 ||
				wrong "$name cannot be read" || return
			exported+=("$walk_dir/$name.$s")
			at $s replicactl salvage --drop "$name" --yes \
				>>"$walk_log" 2>&1 ||
				wrong "$name stays" || return
		done
	done
}

# --- the walk -------------------------------------------------------------------------
steps_paired="work work calm calm kill_primary kill_receiver kill_both kill_server
	restart cut_link power_cut pause resync verify history extend enable_anew
	pair_anew failover_forced failover_forced failover_planned"
steps_alone="come_back come_back come_back restart power_cut"

# walk SEED STEPS: ends calm
walk() {
	local nr step
	begin_walk "$1"
	group=
	[ "$members" = a ] || group=g
	for ((nr = 1; nr <= $2 + 1; nr++)); do
		if [ "$nr" -gt "$2" ]; then
			[ $phase = paired ] || step_come_back || break
			chosen=calm
		elif [ $phase = paired ]; then
			# shellcheck disable=SC2086
			choose $steps_paired
		else
			# shellcheck disable=SC2086
			choose $steps_alone
		fi
		step=$chosen
		say "$nr $step (primary $primary, floor $floor)"
		step_"$step" && check_always || break
	done
	end_walk
	[ -n "$is_wrong" ] || [ "$nr" -gt $(($2 + 1)) ] ||
		wrong "step $nr, $chosen, fails without a word"
	[ -z "$is_wrong" ]
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: where both sites die at one moment, with
# their servers, there is a step of a verb after which two sites are primaries, what
# was acknowledged and committed is lost, or the same verb does not go on. Each step
# of a failover, a handover and a giving up, and moments between them; then both
# come back, in either order. DMR_SOAK_SECONDS=N takes all of them, in an order that
# DMR_SEED chooses; else a few.
# lab: timeout=1800
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-walk.sh"
. "$(dirname "$0")/lib-walk-steps.sh"

seed=${DMR_SEED-2}	# even: of a volume; odd: of a group
nr_cases=2
[ -z "${DMR_SOAK_SECONDS-}" ] || nr_cases=1000
fates="alive cut"

# In the place of lib-walk-steps.sh: all die once, at $plan, where $where says
choose_death() {
	die_at='' dies_alone=''
	[ "${FUNCNAME[1]}" = "$where" ] || return 0
	die_at=$plan where=''
}

# Of a primary that was promoted (begin_cases).
cases() {
	local ms
	printf 'promote %s\n' $promotion_steps
	printf '%s\n' {step_failover_planned,give_up}\ $(
		){giving-up-{begun,closed,seen,done},$(
		)ending-{retired,noted,disabled,removed,forgotten}}
	echo step_failover_planned giving-up-held
	[ "$members" = a ] || echo step_failover_planned giving-up-agreed
	for ms in 0 50 150 400 900; do
		printf "%s after-$ms\n" promote step_failover_planned give_up \
			work
	done
}

end_paired() {
	[ $phase = paired ] || step_come_back || return
	check_always && step_calm
}

begin_cases() {
	where='' plan=''
	step_come_back && end_copy && step_failover_forced && end_paired
}

# take WHERE STEP: and goes on from there, until both are equal
take() {
	where=$1 plan=$2 is_reached=
	say "case $1 $2 (primary $primary)"
	case $1 in
	work) step_work && kill_both_after "${2#after-}" true && start_killed ;;
	step_failover_planned) step_failover_planned ;;
	*) step_failover_forced ;;
	esac && check_always && end_paired || return
	[ "${2%%-*}" = after ] || [ -n "$is_reached" ] ||
		wrong "nobody came to $2"
}

begin_walk "$seed"
group=
[ "$members" = a ] || group=g
nr=0
if begin_cases; then
	while read -r verb step; do
		began=$SECONDS
		take "$verb" "$step" || break
		pass "both die: $verb $step, $((SECONDS - began)) s"
		nr=$((nr + 1))
	done < <(cases | shuf --random-source=<(yes "$seed") | head -n $nr_cases)
fi
end_walk
if [ -n "$is_wrong" ]; then
	fail "${verb-at first} ${step-}: $is_wrong"
	note "again: DMR_SEED=$seed"
	note "$(tail -n 60 "$walk_log")"
	[ -z "${DMR_KEEP-}" ] || cp -a "$walk_dir" "$DMR_KEEP/"
fi
check "each was taken" test "$nr" = "$(cases | head -n $nr_cases | wc -l)"
finish

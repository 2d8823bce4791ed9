# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# What the demo's story is told with: words, checks, and two machines that take
# steps. Sourced by run, which sets $project and $scratch (the machines' logs
# are in $scratch/A and $scratch/B).

# --- words -----------------------------------------------------------------------
if [ -t 1 ] && [ "${TERM-dumb}" != dumb ]; then
	bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
	good="${green}✓$plain" bad="${red}✗$plain"
else
	bold='' dim='' red='' green='' plain=''
	good='ok' bad='FAIL'
fi
nr_checks=0
failed=()

stamp() {
	printf '%2d:%02d' $((SECONDS / 60)) $((SECONDS % 60))
}

chapter() {
	printf '\n%s%s%s\n' "$bold" "$*" "$plain"
}

# say WORDS...: wrapped, indented below the time.
say() {
	local line lead
	printf -v lead '%s%s%s  ' "$dim" "$(stamp)" "$plain"
	fold -s -w 72 <<<"$*" | while IFS= read -r line; do
		printf '%s%s\n' "$lead" "${line% }"
		lead='       '
	done
}

# check WHAT COMMAND...: one of the things that the demo promises.
check() {
	local what=$1 mark=$good
	shift
	nr_checks=$((nr_checks + 1))
	if ! "$@" >>"$scratch/checks.log" 2>&1; then
		mark=$bad
		failed+=("$what")
		echo "failed: $what: $*" >>"$scratch/checks.log"
	fi
	printf '%s%s%s  %s %s\n' "$dim" "$(stamp)" "$plain" "$mark" "$what"
}

give_up() {
	printf '\n%sThe demo cannot go on: %s%s\n' "$red" "$*" "$plain"
	exit 1
}

# mib BYTES, seconds SECONDS: for people.
mib() {
	awk -v n="$1" 'BEGIN {
		if (n < 1048576) printf "%.0f KiB", n / 1024
		else printf "%.1f MiB", n / 1048576 }'
}

seconds() {
	awk -v s="$1" 'BEGIN {
		if (s < 0.001) printf "%.0f µs", s * 1e6
		else if (s < 1) printf "%.0f ms", s * 1e3
		else printf "%.1f s", s }'
}

# --- machines ----------------------------------------------------------------------
declare -A vm_pid=() nr_steps=() asked=()

# boot SITE RUN-OPTION...
boot() {
	local site=$1 share=$scratch/$1
	shift
	mkdir -p "$share/steps" "$share/out"
	nr_steps[$site]=0
	TMPDIR=$scratch "$project/tests/vm/run" --share "$share" \
		--name "$site" --timeout 2400 "$@" -- \
		tests/demo/agent "$site" >"$share/out/vm.log" 2>&1 &
	vm_pid[$site]=$!
}

# ask SITE STEP...: does not wait for its end.
ask() {
	local site=$1 n quoted
	n=$((nr_steps[$site] + 1))
	shift
	printf -v quoted '%q ' "$@"
	nr_steps[$site]=$n asked[$site]=$*
	echo "${quoted% }" >"$scratch/$site/steps.new"
	mv "$scratch/$site/steps.new" "$scratch/$site/steps/$n"
}

# answer SITE: waits for the last step's end; its output is $reply, its status ours.
within=180
answer() {
	local site=$1 end=$((SECONDS + within)) file
	file=$scratch/$site/out/${nr_steps[$site]}
	until [ -f "$file.status" ]; do
		kill -0 "${vm_pid[$site]}" 2>/dev/null ||
			give_up "machine $site is gone ($(tail -n 1 \
				"$scratch/$site/out/vm.log"))"
		[ $SECONDS -lt $end ] ||
			give_up "$site: no answer in $within s: ${asked[$site]}"
		sleep 0.05
	done
	reply=$(<"$file.reply")
	return "$(<"$file.status")"
}

at() {
	ask "$@"
	answer "$1"
}

# must SITE STEP...: without it nothing makes sense.
must() {
	at "$@" || give_up "$1: this failed: ${*:2}"
}

# A name=value line of the last reply.
value() {
	sed -n "s/^$1=//p" <<<"$reply"
}

# --- the pair, as replicactl sees it where the bank is -------------------------------
primary=A

# look: $status is the volume's part of "status --json".
look() {
	at "$primary" replicactl status bank --json || return
	json_holds '.volumes[0]' <<<"$reply" >/dev/null || return
	status=$(jq -c '.volumes[0]' <<<"$reply")
}

field() {
	jq -r ".$1" <<<"$status"
}

must_look() {
	look || give_up "replicactl status does not work"
}

# What A's programs have done so far: $nr_transfers, $nr_files, at $now_us.
progress() {
	must A progress
	nr_transfers=$(value transfers)
	nr_files=$(value files)
	now_us=$(value now_us)
}

# await SECONDS JQ-CONDITION [FUNCTION]: looks until it holds; FUNCTION is called
# for each look that it does not.
await() {
	local end=$((SECONDS + $1))
	until look && json_holds "$2" <<<"$status" >/dev/null; do
		if [ $SECONDS -ge $end ]; then
			echo "never in $1 s: $2; last: ${status-}" \
				>>"$scratch/checks.log"
			return 1
		fi
		${3-:}
		sleep 0.2
	done
}

# await_confirmed: until an epoch is committed that has the transfers confirmed by
# now, $confirmed of them. The one that is under way may be without the last ones.
await_confirmed() {
	local epoch
	progress
	confirmed=$nr_transfers
	must_look
	epoch=$(jq '[.epoch, .last_committed] | max' <<<"$status")
	await 120 ".last_committed > $epoch" || give_up "no commit in 120 s"
}

# pair_up NAME FROM TO: what FROM has goes to TO.
pair_up() {
	must "$3" invite "$1" "$bytes"
	must "$2" join "$1" "$reply"
}

# cut_power SITE...: their machines are gone, with all that they had not on their
# disks.
cut_power() {
	local site pids=()
	for site; do
		pids+=("$(<"$scratch/$site.pid")")
	done
	kill -9 "${pids[@]}"
	for site; do
		wait "${vm_pid[$site]}"
		unset "vm_pid[$site]"
	done
}

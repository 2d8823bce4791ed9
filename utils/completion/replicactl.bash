# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Completion for replicactl. Verbs and options come from the program itself, what
# they are about from replicad (or, to be enabled, from device-mapper).
#
# The line is split at blanks here: bash would also split it at ":" and "=", and a
# target (pair:NAME) would be three words.

_replicactl_ask() {
	replicactl "$@" --timeout 2s 2>/dev/null
}

_replicactl_volumes() {
	case $1 in
	enable)
		dmsetup ls 2>/dev/null | awk '$1 != "No" { print $1 }' |
			grep -v -e '-dmr-origin$' -e '-dmr-view$' ;;
	kernel)
		replicactl kernel list 2>/dev/null |
			awk 'NR > 1 && NF > 3 { print $1 }' ;;
	disable | pause | resume | recover | resync | verify | events | resolve | extend | \
		path | set-type | targets)
		_replicactl_ask status --names ;;
	status | history | test | failover)
		_replicactl_ask status --names
		_replicactl_ask status --replicas --names ;;
	delete)
		_replicactl_ask create --names
		_replicactl_ask status --replicas --names ;;
	snapshot | clone) _replicactl_ask create --names ;;
	esac
}

# Where to, of enable: the pairs that there are, and how the others begin.
_replicactl_targets() {
	local pair
	for pair in $(_replicactl_ask pair list --names); do
		echo "pair:$pair"
	done
	printf '%s\n' nbds:// nbd:// nbd+unix:/// stage: local:
}

# The words that an option takes; nothing where they are free.
_replicactl_values() {
	case $1-$2 in
	*--target) _replicactl_targets ;;
	test---drop) _replicactl_ask test --names ;;
	salvage---drop) _replicactl_ask salvage --names ;;
	snapshot---drop | clone---from) _replicactl_ask snapshot "$first" --names ;;
	*--keep) printf '%s\n' local peer ;;
	*--pair) _replicactl_ask pair list --names ;;
	*--to) _replicactl_ask targets --names ;;
	*--tls) echo off ;;
	*--apply) printf '%s\n' auto staged direct ;;
	esac
}

# What stands behind a verb, at this place.
_replicactl_words() {
	case $1-$2-$3 in
	-*) replicactl help --words ;;
	help-0-*) replicactl help --words ;;
	pair-0-*) printf '%s\n' invite join list revoke ;;
	pair-1-revoke) _replicactl_ask pair list --names ;;
	kernel-0-*) printf '%s\n' list status dirty mark hold events meta-size ;;
	kernel-1-status | kernel-1-dirty | kernel-1-mark | kernel-1-hold)
		_replicactl_volumes kernel ;;
	target-0-*) printf '%s\n' add set remove use check ;;
	target-1-set | target-1-remove | target-1-use | target-1-check)
		_replicactl_ask targets --names ;;
	target-2-use | target-2-check) _replicactl_volumes status ;;
	config-0-*) printf '%s\n' check show reload ;;
	salvage-0-*) _replicactl_ask salvage --names ;;
	*-0-*) _replicactl_volumes "$1" ;;
	esac
}

# Options whose value is the next word, of a verb or of all.
_replicactl_takes_value() {
	replicactl help ${1:+"$1"} 2>/dev/null |
		grep -qE -- "^    $2 [^ ]"
}

_replicactl() {
	local line=${COMP_LINE:0:$COMP_POINT} verb= first= nr=0 skip= prev= cur= w
	local -a words
	read -ra words <<<"$line"
	[[ $line != *[[:blank:]] ]] || words+=("")
	cur=${words[-1]}
	for w in "${words[@]:1:${#words[@]}-2}"; do
		prev=$w
		if [ -n "$skip" ]; then
			skip=
		elif [[ $w == --*=* ]]; then
			:
		elif [[ $w == -* ]]; then
			! _replicactl_takes_value "$verb" "$w" || skip=$w
		elif [ -z "$verb" ]; then
			verb=$w
		else
			[ $nr -gt 0 ] || first=$w
			nr=$((nr + 1))
		fi
	done
	COMPREPLY=()
	if [[ $cur == --*=* ]]; then
		skip=${cur%%=*} cur=${cur#*=}
	fi
	_replicactl_candidates
	# bash replaces only what is behind the last ":" or "=" of the word
	local keep=${cur%"${cur##*[:=]}"} i
	[[ $COMP_WORDBREAKS == *:* ]] || keep=
	for i in "${!COMPREPLY[@]}"; do
		COMPREPLY[i]=${COMPREPLY[i]#"$keep"}
	done
}

# Fills COMPREPLY by the caller's verb, first, nr, skip and cur.
_replicactl_candidates() {
	local candidates=
	case $skip in
	--export | --metadata | --origin | --socket | --device | --spool | --dir | \
		--token-file | --config | --state-dir)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		compopt -o filenames 2>/dev/null
		return ;;
	--?*) candidates=$(_replicactl_values "$verb" "$skip") ;;
	*) if [[ $cur == -* ]]; then
		candidates=$(replicactl help --words ${verb:+"$verb"} 2>/dev/null |
			grep '^--')
	   else
		candidates=$(_replicactl_words "$verb" $nr "$first")
	   fi ;;
	esac
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
	# a target goes on
	[[ $skip != --target || ${COMPREPLY[*]} != *[/:] ]] ||
		compopt -o nospace 2>/dev/null
}
complete -F _replicactl replicactl

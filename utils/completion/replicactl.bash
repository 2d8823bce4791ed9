# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Completion for replicactl. Verbs and options come from the program itself,
# volumes from replicad (or, to be enabled, from device-mapper).

_replicactl_volumes() {
	case $1 in
	enable)
		dmsetup ls 2>/dev/null | awk '$1 != "No" { print $1 }' |
			grep -v -e '-dmr-origin$' -e '-dmr-view$' ;;
	kernel)
		replicactl kernel list 2>/dev/null |
			awk 'NR > 1 && NF > 3 { print $1 }' ;;
	status | disable | pause | resume | resync | verify | events | history | \
		test | failover | resolve)
		replicactl status --names --timeout 2s 2>/dev/null ;;
	esac
}

# The verb, and how many words stand behind it before the cursor.
_replicactl_parse() {
	local i w
	verb= words=0
	for ((i = 1; i < COMP_CWORD; i++)); do
		w=${COMP_WORDS[i]}
		case $w in
		--socket | --timeout | --target | --device | --group | --drop | \
			--dir | --metadata | --origin | --export | \
			--epoch | --at | --name | --last) i=$((i + 1)) ;;
		-* | =) ;;
		*) if [ -z "$verb" ]; then verb=$w; else words=$((words + 1)); fi ;;
		esac
	done
}

_replicactl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
	local verb words candidates=
	COMPREPLY=()
	_replicactl_parse
	case $prev$verb in
	--dropsalvage) return ;;
	esac
	case $prev in
	--export | --metadata | --origin)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	--drop)
		mapfile -t COMPREPLY < <(compgen -W "$(replicactl test --names \
			--timeout 2s 2>/dev/null)" -- "$cur")
		return ;;
	--socket | --device | --spool)
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return ;;
	esac
	if [[ $cur == -* ]]; then
		candidates=$(replicactl help --words ${verb:+"$verb"} 2>/dev/null |
			grep '^--')
	elif [ -z "$verb" ]; then
		candidates=$(replicactl help --words)
	elif [ "$verb" = help ]; then
		candidates=$(replicactl help --words)
	elif [ "$verb $words" = "pair 0" ]; then
		candidates="invite join list revoke"
	elif [ "$verb $words" = "kernel 0" ]; then
		candidates="list status dirty mark hold events meta-size"
	else
		candidates=$(_replicactl_volumes "$verb")
	fi
	mapfile -t COMPREPLY < <(compgen -W "$candidates" -- "$cur")
}
complete -F _replicactl replicactl

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
# Models in tests/model, searched by spin. The top comment of each says
#	check	WRITES=2 …	how much of it is searched; may be there twice
#	soak	WRITES=3 …	with DMR_SOAK=1, instead
# and "#ifndef RULE_x	/* WRITES=1 … */" what shows that the rule is needed.

# sizes check|soak MODEL: one a line
sizes() {
	sed -n "s/^ \*	$1	//p" "$2"
}

# search NAME MODEL [SIZE=N...]: what the checker says goes to NAME.out
search() {
	local name=$1 model=$2
	shift 2
	set -- "${@/#/-D}"
	mkdir "$scratch_dir/$name" && (
		cd "$scratch_dir/$name" &&
		spin -o3 -a "$@" "$model" >/dev/null &&
		gcc "${optimise:--O0}" -DSAFETY -DCOLLAPSE -DMEMLIM=6000 -w \
			-o pan pan.c &&
		nice ./pan -m1000000 -w22 >"../$name.out"
	)
}

errors() {
	sed -n 's/.*errors: \([0-9]*\)$/\1/p' "$scratch_dir/$1.out"
}

states() {
	awk '/states, stored/ { print int($1) }' "$scratch_dir/$1.out"
}

is_whole() {
	! grep -qE "max search depth too small|out of memory|MEMLIM" \
		"$scratch_dir/$1.out"
}

# Lines that are no part of an inline: each use of one is listed by itself.
is_own_line() {
	awk -v line="$2" '/^inline/ { inside = 1 } NR == line { exit }
		/^}/ { inside = 0 } END { exit inside }' "$1"
}

# Statements that no search has reached, but for those of a rule that is off.
unreached() {
	local model=$1 nr=$2 times line what
	for ((; nr; nr--)); do
		sed -n '/^unreached/,/^$/p' "$scratch_dir/whole$nr.out" |
			sed -n 's/.*pml:\([0-9]*\), state [0-9]*, /\1 /p' |
			grep -vE '"-end-"|assert\(0\)' | sort -u
	done | sort | uniq -c | while read -r times line what; do
		[ "$times" -lt "$2" ] ||
			! is_own_line "$model" "$line" ||
			sed -n "${line}p" "$model" | grep -q '/\* off \*/' ||
			echo "$line: $what"
	done
}

# C functions in the right column of the table "here … in the tree"
named_functions() {
	sed -n '/in the tree/,/^ \*$/s/^ \*	.*	//p' "$1" |
		grep -oE "[a-z_0-9]+\(\)" | sort -u
}

# … and in its row of the table in Documentation/hacking.rst
documented_functions() {
	awk -v model="$1" '$1 == model { row = 1; print; next }
		!/^ / { row = 0 } row' \
		"$test_dir/../Documentation/hacking.rst" |
		grep -oE '``[a-z_0-9]+``' | tr -d '`' | sed 's/$/()/'
}

is_defined() {
	grep -hE "^[a-z].*[ *]${1%()}\(" "$test_dir"/../{kmod,daemon,lib}/*.c |
		grep -qv ";$"
}

# model_holds MODEL STATES: at least so many states
model_holds() {
	local model=$test_dir/model/$1 least=$2 nr=0 size rule func
	local kind=check
	[ -z "${DMR_SOAK-}" ] || kind=soak
	check "it says how much is searched" test -n "$(sizes $kind "$model")"
	while read -r size; do
		nr=$((nr + 1))
		# shellcheck disable=SC2086
		optimise=-O2 check "all rules on, $size: it is searched" \
			search whole$nr "$model" $size
		is "and nothing is violated" "$(errors whole$nr)" 0
		check "the search was not cut short" is_whole whole$nr
	done < <(sizes $kind "$model")
	check "and looked at many states" test "$(states whole1)" -gt "$least"
	is "every statement was reached" "$(unreached "$model" $nr)" ""
	check "there are rules" grep -q '^#ifndef RULE_' "$model"
	while read -r _ rule _ size; do
		# shellcheck disable=SC2086
		search "$rule" "$model" "$rule=0" ${size%\*/}
		is "without $rule something is violated" "$(errors "$rule")" 1
	done < <(grep '^#ifndef RULE_' "$model")
	check "it names functions" test -n "$(named_functions "$model")"
	check "it is documented" test -n "$(documented_functions "$1")"
	for func in $(named_functions "$model") $(documented_functions "$1"); do
		check "$func is in the tree" is_defined "$func"
	done
}

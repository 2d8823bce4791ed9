#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of events in which a
# failover, or the way back, loses a difference between the sites, or one of its
# rules is not needed (or the model does not know what it is for).
# DMR_SOAK=1 looks at more writes and more cuts.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
requires_cmd spin gcc
model=$test_dir/model/promotion.pml
size=(-DWRITES=3 -DEPOCHS=3 -DCUTS=2)
[ -z "${DMR_SOAK-}" ] || size=(-DWRITES=4 -DEPOCHS=3 -DWRITES_B=2 -DCUTS=3)

# search NAME [-DRULE_x=0]: what the checker says goes to NAME.out
search() {
	local name=$1
	shift
	mkdir "$scratch_dir/$name" && cd "$scratch_dir/$name" &&
		spin -a "${size[@]}" "$@" "$model" >/dev/null &&
		gcc -O1 -DSAFETY -DCOLLAPSE -DMEMLIM=4000 -w -o pan pan.c &&
		./pan -m200000 -w22 >"../$name.out" && cd - >/dev/null
}

errors() {
	sed -n 's/.*errors: \([0-9]*\)$/\1/p' "$scratch_dir/$1.out"
}

check "all rules on: it is searched" search whole
is "and nothing is violated" "$(errors whole)" 0
check "the search was not cut short" eval \
	'! grep -qE "max search depth too small|out of memory|MEMLIM" \
		"$scratch_dir/whole.out"'
check "and looked at many states" eval \
	'[ "$(awk "/states, stored/ { print int(\$1) }" \
		"$scratch_dir/whole.out")" -gt 100000 ]'
check "every statement was reached" eval \
	'! sed -n "/^unreached/,/^$/p" "$scratch_dir/whole.out" |
		grep -E "state [0-9]+" | grep -vE "\"-end-\"|fence_cached|E = 0"'
rules=$(sed -n 's/^#ifndef RULE_//p' "$model")
check "there are rules" test -n "$rules"
for rule in $rules; do
	search "$rule" -DRULE_"$rule"=0
	is "without $rule something is violated" "$(errors "$rule")" 1
done
finish

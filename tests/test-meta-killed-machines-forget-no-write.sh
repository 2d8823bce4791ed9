#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a primary whose machine dies under load comes back with a dirty
# set that lacks a chunk in which it differs from its target.
# lab: host soak timeout=5400
#
# DMR_KILLS=N: so many power cuts instead of 24. DMR_BREAK=PARAM=VALUE: of the
# module; fault_no_intent=1 must be noticed.
. "$(dirname "$0")/lib.sh"
requires_cmd qemu-system-x86_64 fio kill-rig
rounds=${DMR_KILLS:-24}
dir=$scratch_dir
share=$dir/share
said=$share/out/said
fault=()
[ -z "${DMR_BREAK-}" ] || fault=(--fault)
mkdir -p "$share/out"
truncate -s 16M "$dir/origin" "$dir/target"
truncate -s 2M "$dir/meta"

boot() {
	echo "$1" >"$share/round"
	"$test_dir/vm/run" ${fault[@]+"${fault[@]}"} --disk "$dir/origin" --disk "$dir/meta" \
		--disk "$dir/target" --share "$share" --pidfile "$dir/pid" \
		--timeout 600 \
		-- tests/kill-guest ${DMR_BREAK-} >"$dir/vm" 2>&1 &
	vm_pid=$!
}

# Epochs with chunks in them since round $1 began: then there is load.
epochs() {
	sed -n "/^round $1\$/,\$p" "$said" 2>/dev/null |
		grep -cE '^epoch [0-9]+: [1-9]'
}
has_epochs() {
	[ "$(epochs "$1")" -ge "$2" ] || ! kill -0 $vm_pid
}

# cut ROUND: a few epochs, and at some moment of the next, no more power.
cut() {
	boot "$1"
	wait_until 600 has_epochs "$1" $((2 + RANDOM % 3))
	sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
	kill -9 "$(cat "$dir/pid")" || return
	wait $vm_pid
	note "round $1: $(epochs "$1") epochs"
}

for ((i = 1; i <= rounds; i++)); do
	cut $i || bail "round $i: $(tail -n 5 "$dir/vm" "$said")"
done
# The last cut is looked at, too.
boot $i
has_checked() {
	[ "$(grep -c '^differ' "$said")" -ge "$i" ] || ! kill -0 $vm_pid
}
wait_until 600 has_checked
kill -9 "$(cat "$dir/pid")"
wait $vm_pid

note "$(grep -E '^(round|differ|first)' "$said")"
is "each start looked at the disks" "$(grep -c '^differ' "$said")" $((rounds + 1))
is "no write was forgotten" "$(grep -c FORGOTTEN "$said")" 0
check "some cut left a difference" grep -qE '^differ [1-9].* epoch [1-9]' "$said"
check "  which was less than the whole volume" \
	awk '/^differ/ && $2 && $4 < $6 { n++ } END { exit !n }' "$said"
is "nothing else ended a machine" "$(grep -c 'an end before' "$said")" 0
finish

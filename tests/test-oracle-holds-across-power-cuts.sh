#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a primary whose machine dies, again and again, gives its target
# an image that is none, or one that lacks a write which had completed before.
# Chains of dependent writes to a group of two volumes go on over all power cuts;
# the target is outside of the machine and checks each image when it is claimed.
# lab: host soak timeout=1800
#
# DMR_SOAK_SECONDS=N: power cuts for so long, at least 3. DMR_SEED=N: other
# writes. DMR_BREAK=PARAM=VALUE: of the module; fault_no_intent=1 must be noticed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-target.sh"
requires_cmd qemu-system-x86_64 oracle-target oracle-writer oracle-check jq
dir=$scratch_dir
share=$dir/share
said=$share/out/said
fault=()
[ -z "${DMR_BREAK-}" ] || fault=(--fault)
mkdir -p "$share/out"
truncate -s 8M "$dir/a"
truncate -s 6M "$dir/b"
truncate -s 2M "$dir/a.meta" "$dir/b.meta"
truncate -s 32M "$dir/ids"
oracle_state=$dir/state
oracle-writer --plan --chains 4 --max 16384 --zero 5 \
	--seed "${DMR_SEED:-$RANDOM}" "$oracle_state" "$dir/a" "$dir/b" ||
	bail "no plan"
start_target --images 5 -- a b

served() {
	echo "nbd+unix:///?socket=$dir/$1.nbd"
}
# boot PHASE: in the background
boot() {
	: >"$said"
	"$test_dir/vm/run" ${fault[@]+"${fault[@]}"} --share "$share" \
		--pidfile "$dir/pid" --timeout $((1200 * ${DMR_SLOW:-1})) \
		--disk "$dir/a" --disk "$dir/a.meta" --disk "$(served a)" \
		--disk "$dir/b" --disk "$dir/b.meta" --disk "$(served b)" \
		--disk "$oracle_state" --disk "$dir/ids" \
		-- tests/oracle-site "$1" ${DMR_BREAK-} >"$dir/vm" 2>&1 &
	vm_pid=$!
}
stop_vm() {
	kill "$vm_pid"
}
cleanup_fn stop_vm

has_epochs() {
	[ "$(sed -n 's/^epochs \([0-9]\)/\1/p' "$said" | tail -n 1)" -ge "$1" ] ||
		! kill -0 $vm_pid
}
all_flags() {
	sed -n 's/^[ab] .*dev_flags=\([0-9]*\).*/\1/p' "$said"
}
all_dirty() {
	sed -n 's/^[ab] .*nr_dirty=\([0-9]*\).*/\1/p' "$said" |
		awk '{ n += $1 } END { print n }'
}
# What it came up with: some of 3584 chunks, and no doubt of the others.
comes_up() {
	[ "$(all_dirty)" -lt 3584 ] && ! all_flags | awk '
		int($1 / 8) % 2 { found = 1 } END { exit !found }'
}

# power_cut NR: after a few epochs, at some moment of the next.
power_cut() {
	boot load
	wait_until 600 has_epochs $((3 + RANDOM % 6))
	sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
	kill -9 "$(cat "$dir/pid")" || return
	wait $vm_pid
	[ "$1" = 1 ] || comes_up || return
	note "power cut $1: it came up with $(all_dirty) dirty chunks," \
		"$(grep -c ^epochs "$said") looks, $(grep ^epochs "$said" |
		tail -n 1)"
	! grep -q "an end before" "$said"
}

for ((i = 1; i <= 3 || SECONDS < ${DMR_SOAK_SECONDS:-0}; i++)); do
	power_cut $i ||
		bail "power cut $i: $(tail -n 9 "$dir/vm" "$said" "$dir/target")"
done
pass "$((i - 1)) power cuts, each under load"
boot last
status=0
wait $vm_pid || status=$?
is "it comes up once more, and all is sent" $status 0 ||
	note "$(tail -n 9 "$dir/vm" "$said")"
check "  $(all_dirty) chunks are dirty, as the metadata said" comes_up
for v in a b; do
	check "  the target of $v is the volume" cmp -n "$(stat -c %s "$dir/$v")" \
		"$dir/$v" "$dir/$v.target"
done
check "  and has all that was written" oracle-check --current --least 5 \
	"$oracle_state" "$dir/a.target" "$dir/b.target"
kill "$target_pid"
status=0
wait "$target_pid" || status=$?
is "every image was closed, across the power cuts" $status 0
note "$(cat "$dir/target")"
finish

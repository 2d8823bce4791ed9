#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a power cut of the primary costs a full copy, or loses a write;
# or disks that were rolled back to an older state overwrite a newer replica; or
# a device that was written without us is trusted.
# lab: host timeout=1500
. "$(dirname "$0")/lib.sh"
requires_root
requires_cmd qemu-system-x86_64 jq replicad rpc-call
disks=$scratch_dir
share=$scratch_dir/share
mkdir -p "$share/out"
truncate -s 64M "$disks/origin"
truncate -s 4M "$disks/meta"
truncate -s 66M "$disks/target"
truncate -s 32M "$disks/state"

vm_pid=
stop_vm() {
	[ -z "$vm_pid" ] || kill "$vm_pid"
}
cleanup_fn stop_vm

# boot PHASE: in the background
boot() {
	rm -f "$share/started" "$share/status"
	"$test_dir/vm/run" --mem 1024 --timeout 400 --share "$share" \
		--pidfile "$disks/pid" --disk "$disks/origin" \
		--disk "$disks/meta" --disk "$disks/target" \
		--disk "$disks/state" -- tests/reboot-site "$1" \
		>"$disks/vm.log" 2>&1 &
	vm_pid=$!
}
boot_and_wait() {
	local status=0
	boot "$1"
	wait $vm_pid || status=$?
	vm_pid=
	[ $status = 0 ] || { cat "$disks/vm.log" "$share/out/$1"; return 1; }
}

# said PHASE KEY [N]: the N-th
said() {
	awk -v k="$2" -v n="${3-1}" '$1 == k && !--n {
		sub(/^[^ ]* /, ""); print }' "$share/out/$1"
}
is_ready() {
	[ -e "$share/out/ready" ] || ! kill -0 $vm_pid
}

boot first
wait_until 700 is_ready
check "a volume with metadata is enabled and replicated" \
	test "$(said first same)" = yes ||
	{ note "$(cat "$disks/vm.log" "$share/out/first")"; finish; }
is "  all of it was sent" "$(said first sent)" $((64 << 20))
is "  its state is kept" "$(said first persistence)" durable
note "hot regions: $(said first hot)"
kill -KILL "$(cat "$disks/pid")"
wait $vm_pid 2>/dev/null
vm_pid=

run_phase() {
	boot_and_wait "$1" >"$disks/said" 2>&1
	local status=$?
	[ $status = 0 ] || note "$(cat "$disks/said")"
	return $status
}
run_phase second
check "after a power cut it comes up as it was" \
	test "$(said second suspect)" = false || finish
dirty=$(said second dirty) differs=$(said second differs)
sent=$(said second data)
check "  what was written before is dirty ($dirty)" test "$dirty" -ge \
	"$(said first written)"
check "  and not more than the hot regions" test "$dirty" -le \
	$(($(said first hot) << 22))
check "  it is sent where it differs ($sent of $differs)" test \
	$((sent * 10)) -le $((differs * 11))
is "  the replica is the volume" "$(said second same)" yes
mkdir "$disks/old"
cp --sparse=always "$disks/origin" "$disks/meta" "$disks/state" "$disks/old"

run_phase third
check "written before replicad came: all data are compared" \
	test "$(said third compared)" -ge $((16 << 20))
is "  what differs is sent" "$(said third data)" $((3 * 4096))
is "  the replica is the volume" "$(said third same)" yes
check "  then only what is written" test "$(said third data 2)" -le \
	$((23 * 4096))

cp --sparse=always "$disks/old/"* "$disks"
sum=$(sha256sum <"$disks/target")
run_phase fourth
check "disks of an earlier time are recognised" \
	grep -q "rolled back or cloned" <<<"$(said fourth reason)"
check "  with a next step" grep -q "which copy" <<<"$(said fourth next)"
is "  nothing was written to the target" "$(sha256sum <"$disks/target")" "$sum"
note "$(said fourth reason)"
finish

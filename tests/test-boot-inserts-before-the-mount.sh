#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, our units let a boot of a real system mount a filesystem whose
# volume has no replica target: its writes would be missing at the other site.
# lab: host timeout=1200
. "$(dirname "$0")/lib.sh"
requires_root
requires_cmd qemu-system-x86_64 replicad rpc-call lvcreate
[ -x /lib/systemd/systemd ] || skip_all "needs systemd"
disks=$scratch_dir
share=$scratch_dir/share
mkdir -p "$share/out"
truncate -s 72M "$disks/group"
truncate -s 34M "$disks/target"
truncate -s 16M "$disks/state"
truncate -s 18M "$disks/target2"
vm_pid=
stop_vm() {
	[ -z "$vm_pid" ] || kill "$vm_pid"
}
cleanup_fn stop_vm

boot() {
	"$test_dir/vm/run" --mem 1024 --timeout 400 --share "$share" \
		--pidfile "$disks/pid" --disk "$disks/group" \
		--disk "$disks/target" --disk "$disks/state" \
		--disk "$disks/target2" "${@:2}" \
		-- tests/boot-site "$1" >"$disks/vm.log" 2>&1 &
	vm_pid=$!
}
said() {
	sed -n "s/^$2 //p" "$share/out/$1" | head -n 1
}
is_over() {
	[ -n "$(said "$1" done)$(said "$1" failed)" ] || ! kill -0 $vm_pid
}

boot first
wait_until 700 is_over first
is "two volumes with mounted filesystems are replicated" "$(said first done)" yes ||
	{ note "$(cat "$disks/vm.log" "$share/out/first")"; finish; }
sleep 2
kill -KILL "$(cat "$disks/pid")"
wait $vm_pid 2>/dev/null
rm -f "$share/started" "$share/status"

boot second --systemd
wait $vm_pid
is "after a power cut, systemd boots" $? 0 ||
	note "$(cat "$disks/vm.log" "$share/out/second")"
vm_pid=
is "  replica-insert.service has run" "$(said second inserted)" active
# judge VOLUME FORM DEVICE MOST: MiB that may be looked at
judge() {
	is "$1: its filesystem is mounted" "$(said second $1_mounted)" "$3"
	is "  with what was written" "$(said second $1_words)" first
	check "  the target was in place before" test \
		"$(said second insert_end)" -lt "$(said second $1_mount_begin)"
	is "  the volume is $2" "$(said second $1_form)" "$2"
	is "  and trusted" "$(said second $1_suspect)" false
	check "  what is hot was looked at ($(said second $1_sent))" \
		test "$(said second $1_sent)" -le $(($4 << 20))
	is "  the replica is the volume" "$(said second $1_same)" yes
}
judge data inserted /dev/mapper/dmrboot-data 28
judge priv private /dev/mapper/priv 15
note "$(tail -n 8 "$share/out/second")"
finish

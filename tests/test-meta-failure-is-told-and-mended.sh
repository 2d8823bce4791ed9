#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a metadata device breaks and no operator is told, replication
# stops with it, or what was written meanwhile is missing in the replica.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
requires_cmd rpc-call jq replicad insert-tool
load_module idle_seconds=0	# no region cools by itself
export REPLICA_SOCKET=$scratch_dir/control
make_null vol-disk 64
make_null vol-meta 4
sectors=$(sectors_of /dev/vol-meta)
make_dm met "0 $sectors linear /dev/vol-meta 0"
make_dm vol "0 $(sectors_of /dev/vol-disk) linear /dev/vol-disk 0"
cleanup_fn insert-tool take-out vol
truncate -s 66M "$scratch_dir/target"
replicad --config /dev/null --state-dir "$scratch_dir/state" \
	2>"$scratch_dir/log" &
daemon=$!
cleanup_fn kill $daemon
wait_until 60 rpc-call status || bail "no replicad: $(cat "$scratch_dir/log")"
replicactl events >"$scratch_dir/events" 2>&1 &
cleanup_fn kill $!

field() {
	rpc-call get vol "$1"
}
settled() {
	[ "$(field state)" = replicating ] && [ "$(field dirty_bytes)" = 0 ] &&
		[ "$(field epoch)" = 0 ]
}
same() {
	cmp -n $((64 << 20)) /dev/mapper/vol "$scratch_dir/target"
}
put() {		# put MIB [COUNT]
	dd if=/dev/urandom of=/dev/mapper/vol bs=4k count="${2-1}" \
		seek=$(($1 * 256)) oflag=direct conv=nocreat status=none
}
is_persistence() {
	[ "$(field persistence)" = "$1" ]
}
told() {
	grep -q "$1" "$scratch_dir/events"
}

check "enabled" replicactl enable vol --target "local:$scratch_dir/target" \
	--metadata /dev/mapper/met
check "  replicated" wait_until 100 settled
put 2
check "  a region is hot" wait_until 60 settled
check "the metadata device breaks" eval \
	'dmsetup reload met --table "0 $sectors error" && dmsetup resume met'
is "  a write to a cold region fails" "$(put 40 2>/dev/null; echo $?)" 1
check "  one to a hot region does not" put 2 4
check "  the status says so" wait_until 60 is_persistence failed
check "  and what it means" eval 'field reason | grep -q "get an I/O error"'
check "  and what to do" eval 'field next_step | grep -q "metadata device"'
check "  also for people" eval \
	'replicactl status vol | grep -q "metadata device has failed"'
check "  an alarm was sent" wait_until 60 told 'alarm.*metadata device'
check "  replication goes on" wait_until 100 settled
check "  the replica is the volume" same

check "the device is mended" eval 'dmsetup reload met --table \
	"0 $sectors linear /dev/vol-meta 0" && dmsetup resume met'
check "  that is noticed" wait_until 60 is_persistence durable
check "  and told" wait_until 60 told 'works again'
check "  cold regions are written again" put 40
check "  and replicated" wait_until 100 settled
check "  the replica is the volume" same
check "disable" replicactl disable vol
check_dmesg
note "$(tail -n 6 "$scratch_dir/log")"
finish

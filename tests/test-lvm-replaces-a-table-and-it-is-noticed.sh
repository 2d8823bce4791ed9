#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, LVM takes the replica target out of a logical volume in use
# (lvextend, lvchange --refresh do that without a word), writes go on untracked,
# and nobody is told; or the way back does not look at all of it.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
requires_cmd lvcreate lvextend lvchange rpc-call jq replicad insert-tool
load_module
export REPLICA_SOCKET=$scratch_dir/control
lvm_conf='devices { dir="/dev" scan_lvs=0 use_devicesfile=0
	types=["nullb", 16] }
	activation { monitoring=0 } backup { backup=0 archive=0 }
	global { use_lvmpolld=0 event_activation=0 }'
lv() {
	local verb=$1
	shift
	"$verb" --config "$lvm_conf" "$@" >>"$scratch_dir/lvm" 2>&1 7>&- ||
		{ cat "$scratch_dir/lvm"; return 1; }
	udevadm settle --timeout=120
}

make_null pv 96
lv pvcreate /dev/pv || bail "pvcreate: $(cat "$scratch_dir/lvm")"
lv vgcreate -s 1m dmrvg /dev/pv || bail "vgcreate: $(cat "$scratch_dir/lvm")"
cleanup_fn vgchange --config "$lvm_conf" -an dmrvg
lv lvcreate -y -Wn -L 32m -n data dmrvg || bail "lvcreate"
lv lvcreate -y -Wn -Zy -L 4m -n meta dmrvg || bail "lvcreate"
dev=/dev/mapper/dmrvg-data
truncate -s 33M "$scratch_dir/target"
cleanup_fn insert-tool take-out dmrvg-data

replicad --config /dev/null --state-dir "$scratch_dir/state" \
	2>"$scratch_dir/log" &
daemon=$!
cleanup_fn kill $daemon
wait_until 60 rpc-call status || bail "no replicad"
state_is() {
	[ "$(rpc-call get data state)" = "$1" ]
}
settled() {
	state_is replicating && [ "$(rpc-call get data dirty_bytes)" = 0 ] &&
		[ "$(rpc-call get data epoch)" = 0 ]
}
enable() {
	replicactl enable data --device $dev --target "local:$scratch_dir/target" \
		--metadata /dev/mapper/dmrvg-meta
}
sent() {
	echo $(($(rpc-call get data bytes_shipped) +
		$(rpc-call get data bytes_zero)))
}
same() {
	cmp -n $(($1 << 20)) $dev "$scratch_dir/target"
}

dd if=/dev/urandom of=$dev bs=1M count=4 oflag=direct status=none
exec 9<$dev
check "a logical volume in use is enabled" enable
check "  it is replicated" wait_until 100 settled
is "  all of it was sent" "$(sent)" $((32 << 20))
check "lvchange --refresh" lv lvchange --refresh dmrvg/data
check "  takes the target out" eval '[ "$(insert-tool form dmrvg-data)" = plain ]'
check "  which is noticed" wait_until 60 state_is error
check "  with the reason" eval \
	'rpc-call get data reason | grep -q "lost its replica target"'
check "  and the next step" eval 'rpc-call get data next_step | grep -q enable'
dd if=/dev/urandom of=$dev bs=4k count=5 seek=100 oflag=direct conv=nocreat status=none
check "disable" replicactl disable data
is "  nothing hidden is left" "$(dmsetup ls | grep -c dmr-)" 0
check "enable again" enable
check "  it is replicated" wait_until 100 settled
is "  all data were compared" "$(rpc-call get data bytes_compared)" $((4 << 20))
is "  what nobody saw was sent" "$(rpc-call get data bytes_shipped)" $((5 * 4096))
check "  the replica is the volume" same 32

check "lvextend" lv lvextend -L +4m dmrvg/data
check "  is noticed" wait_until 60 state_is error
refuses "extend says what to do" "Disable it and enable it again" \
	replicactl extend data
check "disable" replicactl disable data
check "enable again" enable
check "  the target is too small now, and that is said" wait_until 60 eval \
	'rpc-call get data reason | grep -q "too small"'
truncate -s 37M "$scratch_dir/target"
check "  with more room it is replicated, in use" wait_until 100 settled
is "  all of it" "$(rpc-call get data size_bytes)" $((36 << 20))
check "  the replica is the volume" same 36
check "disable" replicactl disable data
exec 9<&-
kill $daemon
wait $daemon
is "replicad ends well" $? 0
note "$(tail -n 4 "$scratch_dir/log")"
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a resync that was broken off would leave a
# difference for ever, would begin with sending everything, or would believe the
# digests of another session (W4).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"

# Digests come slowly: a resync takes a quarter of a minute.
native_mib=16
slow_stage() {
	start_stage sum_rate=1MiB
}

# begin_resync: damages the replica, and returns amid the comparing
begin_resync() {
	damage_stage 0 900 1023
	slow_stage
	check "$1: settled" wait_settled a 60
	before=$(field a bytes_compared)
	resync >/dev/null
	check "$1: it compares" wait_until 60 rises a bytes_compared "$before"
	is "$1: and has not ended" "$(field a comparing)" true
}

ends_well() {
	check "$1: it ends" wait_until 60 is_compared
	check "$1: and the replica is equal" equals
}

make_volume a
slow_stage
begin_config
configure a window=64KiB
start_daemon
check "the first sync" equals

begin_resync "kill -9 of the daemon"
kill_daemon
start_daemon
check "the next one goes on comparing" wait_until 60 field_is a comparing true
ends_well "kill -9 of the daemon"
check "few bytes were sent: $(field a bytes_shipped)" \
	test "$(field a bytes_shipped)" -le 65536

begin_resync "kill -9 of the target"
shipped=$(field a bytes_shipped)
kill_pid $plugin_pid
slow_stage
ends_well "kill -9 of the target"
shipped=$(($(field a bytes_shipped) - shipped))
check "few bytes were sent: $shipped" test $shipped -le 65536

# The image is the last one that was committed, whole, all the while.
begin_resync "another session"
image "$scratch_dir/before"
export PLUGIN_SOCKET=$scratch_dir/a.nbd
primary <<'END'
import struct
h = connect("a")
tail = tail_of(h.get_size() - 65536)
slots = h.pread(8192, tail)
slot = bytearray(max(slots[:4096], slots[4096:],
                     key=lambda s: struct.unpack_from("<Q", s, 216)))
seq = struct.unpack_from("<Q", slot, 216)[0] + 5
struct.pack_into("<I", slot, 12, HELLO)
loads, attaches, random = struct.unpack_from("<QQQ", slot, 104)
struct.pack_into("<QQQ", slot, 104, loads + 1, attaches, random ^ 5)
struct.pack_into("<Q", slot, 216, seq)
struct.pack_into("<I", slot, 4092, crc32c(bytes(slot[:4092])))
h.pwrite(bytes(slot), tail + seq % 2 * 4096, nbd.CMD_FLAG_FUA)
END
check "another session: we are superseded" wait_until 60 field_is a state error
field a reason >"$scratch_dir/reason"
check "and told so" grep -q superseded "$scratch_dir/reason"
image "$scratch_dir/after"
check "not one epoch of ours was committed after it" \
	cmp "$scratch_dir/before" "$scratch_dir/after"
stop_daemon
is "a clean stop" $? 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a resync would leave a difference, or
# would send what the target has already (W4).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"

# delta_of FIELD COMMAND...: sets delta, what it has grown by
delta_of() {
	local field=$1 before commits
	before=$(field a "$field")
	commits=$(field a epochs_clean)
	shift
	"$@" >"$scratch_dir/out" 2>&1 || cat "$scratch_dir/out"
	wait_until 60 rises a epochs_clean "$commits"
	wait_until 60 is_compared || rpc-call status
	delta=$(($(field a "$field") - before))
}

chunks="0 1 7 100 500 501 502 1023"
bytes=$((8 * 4096))
make_volume a
start_stage
begin_config
configure a window=1MiB
start_daemon
check "the first sync" equals
damage_stage $chunks
start_stage
check "a damaged replica is noticed by nobody" wait_settled a
image "$scratch_dir/image"
is "but it differs" "$(cmp -s "$scratch_dir/a.img" "$scratch_dir/image"
	echo $?)" 1
delta_of bytes_shipped resync
check "after a resync it is equal" equals
check "$delta bytes were sent for $bytes that differ" \
	test $delta -ge $bytes -a $delta -le $((bytes * 11 / 10))
delta_of bytes_equal resync
check "a second one finds everything equal: $delta bytes" \
	test $delta -ge $((native_mib * 1048576 / 2 - 65536))
delta_of bytes_shipped resync '"full": true'
check "$delta bytes" test $delta -ge $((native_mib * 1048576 / 2 - 65536))
delta_of bytes_shipped sim-ctl request a resync
check "asked for by dmsetup: $delta bytes" test $delta -lt 65536
delta_of bytes_shipped sim-ctl request a "resync full"
check "and in full: $delta bytes" test $delta -ge $((native_mib * 1048576 / 2 - 65536))
is "it tells how" "$(rpc-call resync '{"volume": "nothing"}' 2>&1 |
	grep -c 'there is no volume nothing')" 1

stop_daemon
start_daemon
check "with nothing to do, a daemon compares nothing" \
	wait_until 60 is_compared

# Under load: what is written is never taken for what is there.
damage_stage 3 4 5
start_stage
sim-ctl storm a 3000 7 500 &
storm=$!
cleanup_fn kill_pid $storm
for i in 1 2 3; do
	resync >/dev/null
	sleep 0.2
done
wait $storm
check "three of them under load" equals

# A target that is written in place, and one that knows no digests.
stop_daemon
truncate -s $((native_mib * 1048576 + 1048576)) "$scratch_dir/a.file"
begin_config
configure a window=1MiB "target=local:$scratch_dir/a.file"
start_daemon
check "a local target" wait_settled a 60
damage "$scratch_dir/a.file" $chunks
delta_of bytes_shipped resync
check "is compared by reading: $delta bytes were sent" \
	test $delta -ge $bytes -a $delta -le $((bytes * 11 / 10))
check "and is equal" cmp -n $((native_mib * 1048576)) "$scratch_dir/a.img" \
	"$scratch_dir/a.file"
stop_daemon
stop_plugin
start_target a
begin_config
configure a window=1MiB apply=direct
start_daemon
check "a plain server" replica_equals a 60
is "is none that stages" "$(field a apply)" direct
damage "$scratch_dir/a.target" $chunks
delta_of bytes_shipped resync
check "it gets everything: $delta bytes" \
	test $delta -ge $((native_mib * 1048576 / 2 - 65536))
check "and is equal" replica_equals a 60
stop_daemon
is "a clean stop" $? 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a volume that was inserted live, and that
# lvextend has made larger (which takes its target out), would be extended as if
# nothing had been written meanwhile; or what is said to be the next step would
# not lead on.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

mib=1048576


enable() {
	local options='"interval":"20ms","heartbeat":"200ms","stale_wait":"100ms"'
	rpc-call enable "{\"volume\":\"$1\",\"target\":\"$2\",$(
		)\"options\":{$options}}"
}

# As lvextend: a larger device, without our target, and in use.
replace_table() {
	sim-ctl meta "$1" rip && sim-ctl origin "$1" $(($2 * mib)) &&
		sim-ctl write "$1" 8192 4096 77
}

has_grown() {
	settled "$1" && field_is "$1" size_bytes $((12 * mib))
}

make_volume a
make_volume b
start_target b
begin_config
start_daemon
stage="stage:$stage_dir/a?base=$scratch_dir/a.base&history=1h"
check "a stage and a file" eval "enable a '$stage' && enable b '$(uri_of b)'"
check "  both are replicated" eval 'wait_settled a && wait_settled b'
write_epoch 0 65536 1
one=$(committed)
now_image "$scratch_dir/one"
for v in a b; do
	replace_table $v 12
	check "$v: a larger table without the target is noticed" \
		wait_until 60 field_is $v state error
	refuses "  extend says what to do" "Disable it and enable it again" \
		replicactl extend $v
	is "  nothing has changed" "$(field $v size_bytes)" $((8 * mib))
	sim-ctl write $v 16384 4096 78
done
truncate -s $((13 * mib)) "$scratch_dir/b.target"
check "a: disable" replicactl disable a
check "  enable" enable a "$stage"
check "  all of it is shipped" wait_until 60 has_grown a
check "  a test device of it" replicactl test a --no-attach --name now
check "  is the volume" test_equals now "$scratch_dir/a.img"
check "  of an epoch of before" replicactl test a --no-attach --name old \
	--epoch "$one"
check "  is what that was" eval "nbdcopy '$(uri_of_test old)' \
	$scratch_dir/image && cmp -n $((8 * mib)) $scratch_dir/one $scratch_dir/image"
check "b: disable" replicactl disable b
check "  enable" enable b "$(uri_of b)"
check "  all of it is shipped" wait_until 60 has_grown b
check "  the replica is the volume" cmp -n $((12 * mib)) \
	"$scratch_dir/b.img" "$scratch_dir/b.target"
replicactl test --drop now >/dev/null
replicactl test --drop old >/dev/null
stop_daemon
is "a clean stop" $? 0
finish

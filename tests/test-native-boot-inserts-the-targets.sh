#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, a boot would leave volumes without their targets, or trust one
# that was written before.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

make_volume a
make_volume b
start_target a
start_target b
begin_config
configure a metadata=/dev/meta-a
configure b metadata=/dev/meta-b
start_daemon
check "two volumes are replicated" eval 'replica_equals a && replica_equals b'
refuses "--insert beside replicad" "another replicad runs here" \
	replicad-sim --config "$scratch_dir/conf" --insert
stop_daemon

# A boot: devices come up without targets; one is written before they are put in.
sim-ctl meta a unplug
sim-ctl meta b unplug
sim-ctl write b 0 4096 5
insert() {
	replicad-sim --config "$scratch_dir/conf" --insert "$@"
}
check "replicad --insert" eval 'insert 2>"$scratch_dir/said"'
check "a has its target" grep -q "a: its target is in place" "$scratch_dir/said"
check "b too, with a warning" grep -q "b: warning: it may have been written" \
	"$scratch_dir/said"
is "  both have it" "$(sim-ctl get a plain)$(sim-ctl get b plain)" 00
sim-ctl write a 0 8192 6
start_daemon
check "then they are replicated" eval 'replica_equals a && replica_equals b'
shipped() {
	echo $(($(field "$1" bytes_shipped) + $(field "$1" bytes_zero)))
}
is "  a: what was written is sent" "$(shipped a)" 8192
is "  b: all of it" "$(shipped b)" $((native_mib * 1048576))
stop_daemon

echo '[volume c]' >>"$scratch_dir/conf"
echo target=local:/nowhere >>"$scratch_dir/conf"
refuses "a device that is not there" "c: error: there is no device c" insert
refuses "  also after a while" "not every target is in place" insert --insert=1
refuses "a time that is none" "is not a number of seconds" insert --insert=1s
finish

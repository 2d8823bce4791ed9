#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, a boot would leave volumes without their targets, or trust one
# that was written before.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

for name in a b d p q r; do
	make_volume $name
	start_target $name
done
begin_config
configure a metadata=/dev/meta-a trust_boot=yes
configure b metadata=/dev/meta-b trust_boot=yes
configure d metadata=/dev/meta-d
configure p metadata=/dev/meta-p origin=/dev/vg/p
configure q metadata=/dev/meta-q origin=/dev/vg/q
configure r metadata=/dev/meta-r origin=/dev/vg/r
start_daemon
all_equal() {
	replica_equals a && replica_equals b && replica_equals d &&
		replica_equals p && replica_equals q && replica_equals r
}
check "six volumes are replicated" all_equal
refuses "--insert beside replicad" "another replicad runs here" \
	replicad-sim --config "$scratch_dir/conf" --insert
stop_daemon

# A boot: devices come up without targets; one is written before they are put in.
for name in a b d p q r; do
	sim-ctl meta $name unplug
done
sim-ctl write b 0 4096 5
insert() {
	replicad-sim --config "$scratch_dir/conf" --insert "$@"
}
late() {
	touch "$SIM_DIR/$1.late" || bail "no $1.late"
}
late r
check "replicad --insert, where one has to be waited for" eval \
	'! insert 2>"$scratch_dir/said" && grep -q "r comes late" "$scratch_dir/said"'
for name in a b d p q; do
	sim-ctl meta $name unplug
done
late q
check "replicad --insert" eval 'insert --insert=30 2>"$scratch_dir/said"'
check "q, which came late, has its target" \
	grep -q "q: its target is in place" "$scratch_dir/said"
check "r, which was tried in vain, may have been written since" \
	grep -q "r: warning: it may have been written" "$scratch_dir/said"
check "a has its target" grep -q "a: its target is in place" "$scratch_dir/said"
check "b too, with a warning" grep -q "b: warning: it may have been written" \
	"$scratch_dir/said"
check "d too, for others may have written it before" \
	grep -q "d: warning: it may have been written" "$scratch_dir/said"
check "p, private, has its target" \
	grep -q "p: its target is in place" "$scratch_dir/said"
is "  all have it" "$(for name in a b d p q r; do
	sim-ctl get $name plain; done | tr -d '\n')" 000000
sim-ctl write a 0 8192 6
start_daemon
check "then they are replicated" all_equal
sim-ctl meta p use
is "p in use can't be disabled" "$(replicactl disable p >/dev/null 2>&1; echo $?)" 5
check "  and is replicated still" eval 'sim-ctl write p 0 4096 9; replica_equals p'
sim-ctl meta p leave
shipped() {
	echo $(($(field "$1" bytes_shipped) + $(field "$1" bytes_zero)))
}
is "  a: what was written is sent" "$(shipped a)" 8192
is "  p: what was written since" "$(shipped p)" 4096
is "  q: nothing" "$(shipped q)" 0
is "  r: all of it" "$(shipped r)" $((native_mib * 1048576))
is "  d: all of it" "$(shipped d)" $((native_mib * 1048576))
is "  b: all of it" "$(shipped b)" $((native_mib * 1048576))
stop_daemon

echo '[volume c]' >>"$scratch_dir/conf"
echo target=local:/nowhere >>"$scratch_dir/conf"
refuses "a device that is not there" "c: error: there is no device c" insert
refuses "  also after a while" "not every target is in place" insert --insert=1
refuses "a time that is none" "is not a number of seconds" insert --insert=1s
finish

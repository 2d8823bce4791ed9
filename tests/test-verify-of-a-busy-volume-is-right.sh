#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: on a real device under load, verify would
# name differences that are none, or would miss one.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
requires_cmd nbdkit fio rpc-call jq
plugin_so=$top_dir/daemon/nbdkit-replica-plugin.so
[ -e "$plugin_so" ] || skip_all "needs $plugin_so"
load_module

export REPLICA_SOCKET=$scratch_dir/control
mkdir "$scratch_dir/stage"
make_null disk0 64
make_dm vol "0 $(sectors_of /dev/disk0) linear /dev/disk0 0"
dd if=/dev/urandom of=/dev/mapper/vol bs=1M count=32 oflag=direct status=none

start_stage() {
	rm -f "$scratch_dir/nbd"
	nbdkit -f -U "$scratch_dir/nbd" --exit-with-parent "$plugin_so" \
		"dir=$scratch_dir/stage" "create=vol:64MiB:$scratch_dir/base" \
		2>>"$scratch_dir/nbdkit.log" &
	stage_pid=$!
	cleanup_fn kill $stage_pid
	wait_until 60 test -S "$scratch_dir/nbd" || bail "no nbdkit"
}

settled() {
	[ "$(rpc-call get vol state)" = replicating ] &&
		[ "$(rpc-call get vol dirty_bytes)" = 0 ] &&
		[ "$(rpc-call get vol epoch)" = 0 ]
}

found() {
	jq ".$1" "$scratch_dir/verify"
}

# verify STATUS [OPTION...]
verify() {
	local want=$1 status=0
	shift
	timeout 200 replicactl verify vol --json "$@" >"$scratch_dir/verify" ||
		status=$?
	[ $status = "$want" ] || { cat "$scratch_dir/verify"; return 1; }
}

start_stage
replicad --config /dev/null --state-dir "$scratch_dir/state" \
	2>>"$scratch_dir/log" &
daemon_pid=$!
cleanup_fn kill $daemon_pid
wait_until 60 rpc-call status || bail "replicad: $(tail -n 3 "$scratch_dir/log")"
check "enable" replicactl enable vol --metadata none \
	--target "nbd+unix:///vol?socket=$scratch_dir/nbd" --window 2MiB
check "the first copy" wait_until 120 settled
is "to a stage" "$(rpc-call get vol apply)" staged
is "over four connections" "$(rpc-call get vol connections)" 4
check "it is right" verify 0
is "all was compared" "$(found compared_bytes)" $((64 << 20))

fio --name=load --filename=/dev/mapper/vol --rw=randrw --bsrange=4k-64k \
	--size=64m --direct=1 --ioengine=libaio --iodepth=8 --time_based \
	--runtime=5000 --rate_iops=100 >"$scratch_dir/fio" 2>&1 &
fio_pid=$!
cleanup_fn kill $fio_pid
for i in 1 2 3; do
	check "under load: right, $i" verify 0
	note "compared $(found compared_bytes), moving $(found moving_bytes)"
	is "nothing differs, $i" "$(found differing_bytes)" 0
done
check "fio was at work all the time" kill -0 $fio_pid
kill -INT $fio_pid
wait $fio_pid

check "settled" wait_until 120 settled
kill $stage_pid
wait $stage_pid
dd if=/dev/urandom of="$scratch_dir/base" bs=4096 seek=777 count=2 \
	conv=notrunc status=none
start_stage
check "connected again" wait_until 120 settled
check "what is wrong is found" verify 4
is "where it is" "$(jq -c .extents "$scratch_dir/verify")" \
	'[{"offset":3182592,"length":8192}]'
check "and repaired" verify 0 --repair
check "settled" wait_until 120 settled
check "it is right again" verify 0
is "nothing differs" "$(found differing_bytes)" 0
check "disable" replicactl disable vol
kill $daemon_pid
wait $daemon_pid
is "a clean stop" $? 0
check_dmesg
finish

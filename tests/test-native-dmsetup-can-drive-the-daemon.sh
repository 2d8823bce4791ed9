#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: "dmsetup message VOL 0 request …" would not
# reach the daemon, or a wrong one would do harm.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

make_volume a
start_target a
make_volume b
start_target b
begin_config
configure a
start_daemon
check "a is replicated" replica_equals a
sim-ctl request a pause
check "pause" wait_until 60 field_is a state paused
sim-ctl request a "frobnicate now"
check "what is none is named in the log" wait_until 60 \
	grep -q "a: warning: request frobnicate: there is no such" "$daemon_log"
is "and changes nothing" "$(field a state)" paused
sim-ctl request a resume
check "resume" wait_until 60 field_is a state replicating
sim-ctl request a "enable $(uri_of a) window=8MiB"
check "what a file says is not changed from here" wait_until 60 \
	grep -q "request enable: volume a is of .*: change it there" "$daemon_log"
sim-ctl request b "enable $(uri_of b) window=1"
check "a wrong value is named in the log" wait_until 60 \
	grep -q "b: warning: request enable: window=1 is out of range" "$daemon_log"
sim-ctl request b "enable $(uri_of b) interval=20ms"
check "enable" wait_until 60 field_is b state replicating
check "  its image is there" replica_equals b
sim-ctl request a "pause now"
check "a word too many is named in the log" wait_until 60 \
	grep -q "request pause: now cannot follow it" "$daemon_log"
is "  and nothing is done" "$(field a state)" replicating
shipped=$(field a bytes_shipped)
sim-ctl request a "resync full"
# Half of it is zeros, which are not sent as such.
check "resync, of all of it" wait_until 60 eval '[ "$(field a bytes_shipped)" -ge \
	$((shipped + native_mib * 1048576 / 2)) ]'
check "  then it is equal" replica_equals a
printf x | dd of="$scratch_dir/a.target" bs=1 seek=70000 conv=notrunc status=none
sim-ctl request a verify
check "verify" wait_until 60 eval '[ "$(rpc-call status | jq \
	".volumes[] | select(.name == \"a\").verify.differing_bytes")" = 4096 ]'
check "  changes nothing" eval '! same_image a'
sim-ctl request a "verify repair"
check "verify repair" wait_until 60 same_image a
sim-ctl request a "verify harder"
check "a wrong word is, too" wait_until 60 \
	grep -q "request verify: harder cannot follow it" "$daemon_log"
sim-ctl request a "verify stop now"
check "  and a word behind the last" wait_until 60 \
	grep -q "request verify: now cannot follow it" "$daemon_log"
truncate -s $((16 * 1048576)) "$scratch_dir/a.img"
truncate -s $((18 * 1048576)) "$scratch_dir/a.target"
sim-ctl request a extend
check "extend" wait_until 60 field_is a size_bytes $((16 * 1048576))
sim-ctl request a disable
check "disable" wait_until 60 eval '[ "$(sim-ctl get a plain)" = 1 ]'
finish

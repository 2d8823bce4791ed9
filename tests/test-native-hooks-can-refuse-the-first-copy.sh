#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: an operator's program could not keep a
# target from being overwritten; one that hangs would do so for ever; or one that
# somebody else can write would be run as root.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-hooks.sh"

h=$hooks_a/before-syncing
daemon_options=$'hook_timeout=1s\nhooks='$hooks_a
make_volume a
start_target a
begin_config
configure a
reason_is() {
	field_is a state error && field a reason | grep -q "$1"
}
# refuses_sync WHY REGEX: and nothing is written to the target
refuses_sync() {
	check "$1" wait_until 60 reason_is "$2"
	is "  and the target is as it was" \
		"$(head -c $((native_mib * 1048576)) "$scratch_dir/a.target" |
			tr -d '\0' | wc -c)" 0
}
again() {
	replicactl resume a >/dev/null || bail "no resume"
}

hook "$h" 'echo first' 'echo the target is not mine >&2' 'exit 3'
start_daemon
refuses_sync "its exit status refuses, with its last words" \
	"refused by the hook before-syncing: exit status 3: the target is not mine"
check "what it says is in the log" grep -q "hook before-syncing: first" \
	"$daemon_log"
is "it is given its name" "$(given "$h" REPLICA_HOOK)" before-syncing
is "  the volume" "$(given "$h" REPLICA_VOLUME)" a
is "  the volumes" "$(given "$h" REPLICA_VOLUMES)" a
is "  no group" "$(given "$h" REPLICA_GROUP)" ""
is "  the device" "$(given "$h" REPLICA_DEVICE)" /dev/mapper/a
is "  replicad's socket" "$(given "$h" REPLICA_SOCKET)" "$REPLICA_SOCKET"
is "  and nothing of ours" "$(given "$h" SIM_DIR)" ""

hook "$h" "sleep 1000 & echo \$! >'$scratch_dir/left'" 'wait'
again
refuses_sync "one that hangs is ended by hook_timeout" \
	"not ended within 1000 ms (hook_timeout)"
check "  and its children" wait_until 10 eval \
	'! kill -0 "$(cat "$scratch_dir/left")"'
hook "$h" "trap '' TERM" "(trap '' TERM; sleep 1000) & echo \$! >'$scratch_dir/left'" \
	'while :; do sleep 1; done'
again
wait_until 30 eval 'field a reason | grep -q "hook_timeout"' || bail "no end"
check "  also those that ignore SIGTERM" wait_until 10 eval \
	'! kill -0 "$(cat "$scratch_dir/left")"'
hook "$h" 'kill -SEGV $$'
again
refuses_sync "one that is killed refuses" "killed by signal 11"
before=$(runs "$h")
hook "$h"
chmod 644 "$h"
again
refuses_sync "one that is not executable" "before-syncing: is not executable"
chmod 775 "$h"
again
refuses_sync "one that a group may write" "others than its owner can write it"
chmod 755 "$h"
chmod 777 "$hooks_a"
again
refuses_sync "one in a folder that all may write" \
	"hooks-a: others than its owner can write it"
chmod 755 "$hooks_a"
mv "$h" "$h.real"
ln -s "$h.real" "$h"
again
refuses_sync "one that is a link" "before-syncing: is no regular file"
rm "$h"
cp "$h.real" "$h"
if [ "$(id -u)" = 0 ]; then
	chown 1 "$h"
	again
	refuses_sync "one that is not root's" "does not belong to root"
	chown 0 "$h"
fi
printf 'no program\n' >"$h.new"
chmod 755 "$h.new"
mv "$h.new" "$h"
again
refuses_sync "one that is no program" "exit status 127: it could not be run"
is "none of these was run" "$(runs "$h")" "$before"

hook "$h" "while [ -e '$scratch_dir/block' ]; do sleep 0.05; done"
touch "$scratch_dir/block"
sed -i 's/^hook_timeout=.*/hook_timeout=60s/' "$scratch_dir/conf"
kill_daemon
start_daemon
wait_until 30 has_run "$h" $((before + 1))
is "while it runs replicad answers" "$(field a state)" connecting
check "  and the volume can be written" sim-ctl write a 0 4096 3
kill_daemon
rm "$scratch_dir/block"
start_daemon
check "after a kill it is run again" wait_until 30 has_run "$h" $((before + 2))
check "  and then the copy is made" replica_equals a
touch "$scratch_dir/block"
rm -f "$scratch_dir/a.target"
truncate -s $((native_mib * 1048576 + 1048576)) "$scratch_dir/a.target"
kill_pid $target_pid
start_target a
check "an empty target is asked for, too" \
	wait_until 60 has_run "$h" $((before + 3))
kill_pid $target_pid
start_target a
is_connected() {
	ss -xn src "$scratch_dir/a.nbd" | grep -q ESTAB
}
wait_until 30 is_connected || bail "it does not connect while the hook runs"
rm "$scratch_dir/block"
check "an answer about a lost connection is none" \
	wait_until 60 has_run "$h" $((before + 4))
check "  the next one is taken" replica_equals a
touch "$scratch_dir/block"
rm -f "$scratch_dir/a.target"
truncate -s $((native_mib * 1048576 + 1048576)) "$scratch_dir/a.target"
kill_pid $target_pid
start_target a
wait_until 60 has_run "$h" $((before + 5)) || bail "not asked"
stop_daemon
is "replicad's end ends the hook" $? 0
rm "$h"
start_daemon
check "without a hook nobody is asked" replica_equals a
finish

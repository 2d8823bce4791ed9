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
# hook_timeout TIME: of the daemon that runs from now on
hook_timeout() {
	sed -i "s/^hook_timeout=.*/hook_timeout=$1/" "$scratch_dir/conf"
	kill_daemon
	start_daemon
}
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
hook_timeout 3s
refuses_sync "one that hangs is ended by hook_timeout" \
	"not ended within 3000 ms (hook_timeout)"
check "  and its children" wait_until 60 eval \
	'! kill -0 "$(cat "$scratch_dir/left")"'
hook "$h" "trap '' TERM" "(trap '' TERM; sleep 1000) & echo \$! >'$scratch_dir/left'" \
	'while :; do sleep 1; done'
hook_timeout 3s
wait_until 60 eval 'field a reason | grep -q "hook_timeout"' || bail "no end"
check "  also those that ignore SIGTERM" wait_until 60 eval \
	'! kill -0 "$(cat "$scratch_dir/left")"'
hook "$h" 'kill -SEGV $$'
hook_timeout 10m
refuses_sync "one that is killed refuses" "killed by signal 11"
hook "$h" 'exec >&- 2>&-' 'sleep 1000'
hook_timeout 3s
refuses_sync "one that has closed its output is ended all the same" \
	"not ended within 3000 ms"
hook "$h" 'for ((i = 0; i < 5000; i++)); do echo "line $i"; done' 'exit 7'
hook_timeout 10m
refuses_sync "one that says a lot is not stopped by that" \
	"exit status 7: line 4999"
is "  and not all of it is logged" \
	"$(grep -c "hook before-syncing: line" "$daemon_log")" 200
check "  which is said" grep -q "hook before-syncing: it says more" "$daemon_log"
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
chmod 777 "$scratch_dir"
again
refuses_sync "one in a folder of which all may replace a parent" \
	"$scratch_dir: others than its owner can write it"
chmod 700 "$scratch_dir"
mv "$hooks_a" "$hooks_a.away"
again
refuses_sync "none, where the folder that was named is missing" \
	"hooks-a: the folder of hooks is missing"
mv "$hooks_a.away" "$hooks_a"
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
for hooks in "$scratch_dir/link/hooks-a" ./hooks-a; do
	ln -sfn "$scratch_dir" "$scratch_dir/link"
	sed -i "s|^hooks=.*|hooks=$hooks|" "$scratch_dir/conf"
	kill_daemon
	start_daemon
	refuses_sync "one in the folder ${hooks#"$scratch_dir/"}" \
		"link: is no folder\\|want an absolute path"
done
check "  which was said at the start" grep -q \
	"want an absolute path: what a hook may refuse is refused" "$daemon_log"
sed -i "s|^hooks=.*|hooks=$hooks_a|" "$scratch_dir/conf"
kill_daemon
start_daemon
refuses_sync "  in the right one, again" "exit status 127"
is "none of these was run" "$(runs "$h")" "$before"

hook "$h" "while [ -e '$scratch_dir/block' ]; do sleep 0.05; done"
touch "$scratch_dir/block"
hook_timeout 60s
wait_until 60 has_run "$h" $((before + 1))
is "while it runs replicad answers" "$(field a state)" connecting
check "  and the volume can be written" sim-ctl write a 0 4096 3
kill_daemon
rm "$scratch_dir/block"
start_daemon
check "after a kill it is run again" wait_until 60 has_run "$h" $((before + 2))
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
wait_until 60 is_connected || bail "it does not connect while the hook runs"
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
kill_daemon

# As by a program that has no files of its own.
hook "$h" 'echo out; echo err >&2; readlink /proc/self/fd/* >"$0.files"' 'exit 3'
rm -f "$scratch_dir/a.target"
truncate -s $((native_mib * 1048576 + 1048576)) "$scratch_dir/a.target"
kill_pid $target_pid
start_target a
replicad-sim --config "$scratch_dir/conf" <&- >&- 2>&- &
daemon_pid=$!
cleanup_fn kill_pid $daemon_pid
refuses_sync "one of a replicad without files 0 to 2: what it says is heard" \
	"exit status 3: err"
is "  and what that logs goes nowhere" "$(readlink /proc/$daemon_pid/fd/[012] |
	sort | uniq -c | xargs)" "3 /dev/null"
printf '%s\n' '[replicad]' "state_dir=$state_dir" hooks=none >"$scratch_dir/conf"
configure a
kill_daemon
start_daemon
check "with hooks=none none is run" replica_equals a
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who asks whether a target answers would not
# be told, wait for ever, or disturb who replicates to it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl python3

make_volume a
start_target a
truncate -s 2M "$scratch_dir/b.target"
start_target b
begin_config
configure a
sed -i '/^target=/d' "$scratch_dir/conf"
cat >>"$scratch_dir/conf" <<END
targets=t
[target t]
uri=nbd+unix:///?socket=$scratch_dir/{volume}.nbd
[target silent]
uri=nbd+unix:///?socket=$scratch_dir/silent
[target path]
uri=local:$scratch_dir/file
[target stage]
uri=stage:$scratch_dir/{volume}/v
[backend elsewhere]
[target managed]
backend=elsewhere
END
start_daemon
check "it is replicated" replica_equals a
bytes=$(stat -c %s "$scratch_dir/a.target")
check "it answers" eval 'replicactl target check t | grep -x \
	"t answers: .*, a plain server"'
is "with its size" "$(replicactl target check t --json | jq .size_bytes)" "$bytes"
sim-ctl write a 4096 8192 5
reconnects=$(field a reconnects)
check "who replicates to it goes on" replica_equals a
is "undisturbed" "$(field a reconnects)" "$reconnects"
md5=$(md5sum <"$scratch_dir/b.target")
is "as another volume" "$(replicactl target check t b --json | jq .size_bytes)" 2097152
is "nothing was written" "$(md5sum <"$scratch_dir/b.target")" "$md5"
refuses "none there" 'silent.*No such file' replicactl target check silent
python3 - "$scratch_dir/silent" <<'END' &
import socket, sys, time
s = socket.socket(socket.AF_UNIX)
s.bind(sys.argv[1])
s.listen()
time.sleep(600)
END
cleanup_fn kill_pid $!
wait_until 60 test -S "$scratch_dir/silent" || bail "no silent server"
check "a silent one: status 6" eval '
	replicactl target check silent; [ $? = 6 ]'
refuses "a path that is not there" 'file: No such file' replicactl target check path
touch "$scratch_dir/file"
check "one that is there" eval 'replicactl target check path | grep "is there"'
refuses "a stage for no volume" 'name one' replicactl target check stage
refuses "a stage that is not there" 'b: No such file' replicactl target check stage b
refuses "a backend without a pair" 'no pair=' replicactl target check managed a
refuses "no such target" 'no target sillent, the nearest is "silent"' \
	replicactl target check sillent
stop_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a real disk that is full, under the log or
# under the base, would cost the last image, stop the server, or not be named; a
# hello that finds no room would shut out who writes; or room that is made would
# change nothing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_root
requires_cmd mount umount jq replicactl

# make_disk NAME SIZE: a file system of that size
make_disk() {
	mkdir "$scratch_dir/$1"
	mount -t tmpfs -o "size=$2" tmpfs "$scratch_dir/$1" ||
		skip_all "needs a file system of its own"
	cleanup_fn umount "$scratch_dir/$1"
}

image() {
	nbdcopy "$(uri vol@latest)" - | sha256sum
}

# state_is JQ-CONDITION
state_is() {
	replicactl status --json --target "$(uri vol)" >"$scratch_dir/state"
	json_holds "$1" <"$scratch_dir/state"
}

# fill_up: epochs of half a MiB, until one is refused
fill_up() {
	primary <<'EOP'
p = Primary(session=(1, int(open(SOCKET + ".n").read()))).hello()
epoch = p.header().highest_seen
got = ""
while not got and epoch < 200:
    epoch += 1
    def attempt():
        p.open(epoch)
        for i in range(4):
            p.write((epoch * 37 + i * 64) % 1984, epoch % 251 + 1, 32)
        p.commit(epoch)
    got = error_of(attempt)
assert got == "ENOSPC", (got, epoch)
assert p.header().last_clean == epoch - 1
EOP
}

next_session() {
	echo $(($(cat "$PLUGIN_SOCKET.n" 2>/dev/null || echo 0) + 1)) \
		>"$PLUGIN_SOCKET.n"
}

goes_on() {
	next_session
	primary <<'EOP'
p = Primary(session=(1, int(open(SOCKET + ".n").read()))).hello()
epoch = p.header().highest_seen + 1
p.whole(epoch, 5, 99, 3)
assert Primary().header().last_clean == epoch
assert Primary().at(6) == 99
EOP
}

# Segments are sparse: the budget is larger than the disk, and history goes.
make_disk small 5M
PLUGIN_SOCKET=$scratch_dir/small.sock
mkdir "$scratch_dir/small/stage"
start_nbdkit "$PLUGIN_SOCKET" "$plugin_so" "dir=$scratch_dir/small/stage" \
	history=1h log=8MiB \
	"create=vol:$vol_size:$scratch_dir/small.base"
plugin_pid=$nbdkit_pid
next_session
check "a disk smaller than log= costs history, not the epoch" primary <<'EOP'
p = Primary(session=(1, 1)).hello()
for epoch in range(1, 31):
    p.open(epoch)
    for i in range(4):
        p.write((epoch * 37 + i * 64) % 1984, epoch % 251 + 1, 32)
    p.commit(epoch)
assert p.header().last_clean == 30
EOP
stop_plugin

PLUGIN_SOCKET=$scratch_dir/plugin.sock
make_disk log 4M
stage_dir=$scratch_dir/log/stage
mkdir "$stage_dir"
start_plugin history=1h log=64MiB
next_session
check "the log's disk fills up: ENOSPC" fill_up
check "in words" says "error: vol: .*(log.*full|No space left)"
before=$(image)
check "the image is there" test "$before" != "$(sha256sum </dev/null)"
kill_pid $plugin_pid
start_plugin history=1h log=64MiB
is "killed: the image is the same" "$(image)" "$before"
next_session
check "still full: refused as before" primary <<'EOP'
p = Primary(session=(2, 1)).hello()
epoch = p.header().highest_seen + 1
p.open(epoch)
def attempt():
    for i in range(16):
        p.write(i * 100, 7, 32)
    p.commit(epoch)
got = error_of(attempt)
assert got == "ENOSPC", got
EOP
is "and the image is the same" "$(image)" "$before"
mount -o remount,size=16M "$scratch_dir/log" || bail "no room"
check "with room it goes on" primary <<'EOP'
p = Primary(session=(2, 2)).hello()
epoch = p.header().highest_seen + 1
p.whole(epoch, 5, 99, 3)
assert Primary().at(6) == 99
EOP
stop_plugin
is "the server ends cleanly" $? 0

# The base is sparse, and has no room for what is applied.
make_disk base 1M
PLUGIN_SOCKET=$scratch_dir/second.sock
stage_dir=$scratch_dir/stage2
mkdir "$stage_dir"
start_nbdkit "$PLUGIN_SOCKET" "$plugin_so" "dir=$stage_dir" log=16MiB \
	"create=vol:$vol_size:$scratch_dir/base/vol.base"
plugin_pid=$nbdkit_pid
next_session
check "the base's disk fills up, then the log: ENOSPC" fill_up
check "which disk, in words" wait_until 60 state_is \
	'.state == "error" and (.reason | test("vol.base.*No space left"))'
[ $test_failed = 0 ] || note "$(cat "$scratch_dir/state")"
before=$(image)
kill_pid $plugin_pid
start_nbdkit "$PLUGIN_SOCKET" "$plugin_so" "dir=$stage_dir" log=16MiB
plugin_pid=$nbdkit_pid
is "killed: the image is the same" "$(image)" "$before"
mount -o remount,size=16M "$scratch_dir/base" || bail "no room"
check "with room it is applied" wait_until 60 state_is '.state == "ok"'
is "and is the same" "$(image)" "$before"
base_is_image() {
	[ "$(sha256sum <"$scratch_dir/base/vol.base")" = "$before" ]
}
check "so is the base" wait_until 60 base_is_image
check "and it goes on" goes_on
stop_plugin
is "the server ends cleanly" $? 0

# The stage's directory has no room for the description of a larger volume; its log
# is elsewhere.
make_disk described 512K
PLUGIN_SOCKET=$scratch_dir/third.sock
stage_dir=$scratch_dir/described/stage
mkdir "$stage_dir"
truncate -s 16M "$scratch_dir/log.device"
start_nbdkit "$PLUGIN_SOCKET" "$plugin_so" "dir=$stage_dir" history=1h \
	"log_device=$scratch_dir/log.device" \
	"create=vol:$vol_size:$scratch_dir/third.base"
plugin_pid=$nbdkit_pid
export FILLER=$scratch_dir/described/filler
check "a hello of more finds no room: who writes goes on" primary <<'EOP'
import subprocess
p, q = Primary().hello(), Primary(session=(1, 2))
subprocess.run(["dd", "if=/dev/zero", "of=" + os.environ["FILLER"], "bs=4K"],
               stderr=subprocess.DEVNULL)
p.open(1)
p.write(3, 7, 2)
got = error_of(q.hello, bytes=16 * MIB)
assert got == "ENOSPC", got
p.write(9, 8)
p.commit(1)
assert (Primary().at(4), Primary().at(9)) == (7, 8)
assert p.header().last_clean == 1
os.unlink(os.environ["FILLER"])
q.hello(bytes=16 * MIB)
assert error_of(p.open, 2) == "ESHUTDOWN"
p = Primary(session=(1, 3))
assert p.bytes == 16 * MIB and p.at(9) == 8
EOP
check "in words" says "error: vol: .*vol.volume.*No space left"
stop_plugin
is "the server ends cleanly" $? 0
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a client that dies with requests under way
# would take the server along, leave something in the next epoch, or keep it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

# What the dying write is all ones; an epoch of the next has its number.
start_plugin history=1h
good=0
for round in {1..25}; do
	start_primary <<EOP
p = Primary(session=(1, 2 * $round)).hello()
p.open(1000 * $round)
buf = bytes([255]) * MIB
for i in range(1000):
    p.h.aio_pwrite(buf, i % 8 * MIB)
    p.h.poll(0)
while True:
    p.h.poll(-1)
EOP
	sleep "0.$((RANDOM % 4 + 2))"
	kill_pid $primary_pid
	primary <<EOP && good=$((good + 1))
p = Primary(session=(1, 2 * $round + 1)).hello()
p.whole(1000 * $round + 1, $round % 8, $round, 4)
assert p.header().last_clean == 1000 * $round + 1
assert 255 not in {p.at(c) for c in range(0, 2048, 7)}
assert p.at($round % 8) == $round
EOP
done
is "each time the next one found it as it should be" $good 25
check "the server is the same" kill -0 $plugin_pid
is "nothing of the dead is in the image" \
	"$(nbdcopy "$(uri vol@latest)" - | tr -d '\0-\31' | wc -c)" 0
check "readers may die too" primary <<'EOP'
import os, signal
for n in range(20):
    pid = os.fork()
    if not pid:
        h = connect("vol@latest")
        for i in range(200):
            h.aio_pread(nbd.Buffer(MIB), i % 8 * MIB)
            h.poll(0)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
EOP
start_primary <<'EOP'
import time
p, image = Primary(session=(2, 1)).hello(), connect("vol@latest")
p.open(90000)
p.write(0, 1)
print("connected", file=open(SOCKET + ".there", "w"), flush=True)
time.sleep(2)
EOP
check "a client is in the middle of an epoch" wait_until 60 \
	test -s "$PLUGIN_SOCKET.there"
stop_plugin
is "the server waits for it, and ends cleanly" $? 0
finish

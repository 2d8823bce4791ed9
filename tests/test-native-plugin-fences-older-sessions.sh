#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: requests of a connection that broke, and
# that the server still has, would land in the epoch of the next one (W1; it is
# what any other server does: 8 of 12 chunks were stale).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

held=$scratch_dir/held
# start PARALLEL: of twelve writes that many can be late, the rest waits in the
# socket
start() {
	start_plugin --filter="$top_dir/build/tests/hold-filter.so" \
		hold="$scratch_dir" parallel=$1
	late_at_once=$2
}

are_held() {
	[ "$(stat -c %s "$held" 2>/dev/null)" = $late_at_once ]
}

# late NR killed|waits: twelve writes of an epoch that are not there yet when
# their client ends so; another session writes the same chunks; they arrive.
late() {
	local nr=$1 how=$2
	touch "$scratch_dir/hold"
	rm -f "$scratch_dir/go" "$held"
	start_primary <<EOP
import time
p = Primary(session=(1, $nr)).hello()
p.open($nr * 10)
for chunk in range(12):
    p.h.aio_pwrite(b"S" * CHUNK, chunk * CHUNK)
while p.h.aio_in_flight():
    p.h.poll(100)
EOP
	old=$primary_pid
	check "twelve writes are late" wait_until 60 are_held
	rm "$scratch_dir/hold"
	[ "$how" = waits ] || kill_pid $old
	check "a newer session takes over" primary <<EOP
p = Primary(session=(1, $nr + 1)).hello()
p.open($nr * 10 + 1)
for chunk in range(12):
    p.write(chunk, 64 + $nr)
open("$scratch_dir/go", "w").close()
EOP
	check "the late ones are refused ($how)" \
		says "superseded by session 1.$((nr + 1))"
	[ "$how" != waits ] || wait $old
	check "and commits" primary <<EOP
p = Primary(session=(1, $nr + 1)).hello()
p.open($nr * 10 + 2)
for chunk in range(12):
    p.write(chunk, 64 + $nr)
p.commit($nr * 10 + 2)
got = {Primary().at(chunk) for chunk in range(12)}
assert got == {64 + $nr}, got
EOP
	: >"$plugin_log"
}

start no 1
late 1 killed
late 3 killed
stop_plugin
start yes 12
late 5 waits
check "an old connection cannot open either" primary <<'EOP'
old = Primary(session=(2, 1)).hello()
new = Primary(session=(2, 2)).hello()
assert error_of(old.open, 90) == "ESHUTDOWN"
assert error_of(old.write, 0, 1) == "ESHUTDOWN"
assert error_of(old.hello) == "ESHUTDOWN"
assert old.at(0) == 69
new.whole(91, 0, 90)
assert old.at(0) == 90
EOP
finish

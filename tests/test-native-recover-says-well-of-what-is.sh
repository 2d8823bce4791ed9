#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who says "recover" would be told that all is
# well while nobody knows it, that something was tried which was not, or to say it
# again where that helps nothing.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq python3
out=$scratch_dir/out

# recover WANTED_STATUS ARGUMENT...
recover() {
	local want=$1 status=0
	shift
	[ $want != 0 ] || set -- "$@" --wait 2m
	replicactl recover "$@" >"$out" 2>&1 || status=$?
	is "recover $*: status $want" "$status" "$want" || note "$(cat "$out")"
}
says() {
	check "  it says: $1" grep -qE -- "$1" "$out" || note "$(cat "$out")"
}
silent() {
	check "  nothing was tried" eval '! grep -q tried "$out"' ||
		note "$(cat "$out")"
}

# set_session_of NAME LOADS_MORE: of the target's newest header, as a file
set_session_of() {
	python3 - "$scratch_dir/$1.target" "$2" <<'END'
import struct, sys

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF

path, more = sys.argv[1], int(sys.argv[2])
with open(path, "r+b") as f:
    size = f.seek(0, 2)
    tail = size - (1 << 20)
    f.seek(tail)
    slots = f.read(8192)
    for i in range(2):
        slot = bytearray(slots[i * 4096:i * 4096 + 4096])
        loads, = struct.unpack_from("<Q", slot, 104)
        assert crc32c(bytes(slot[:4092])) == \
            struct.unpack_from("<I", slot, 4092)[0]
        struct.pack_into("<Q", slot, 104, loads + more)
        struct.pack_into("<I", slot, 4092, crc32c(bytes(slot[:4092])))
        f.seek(tail + i * 4096)
        f.write(slot)
END
}

begin_config
configure a
configure b
make_volume a 8
start_target a
a_pid=$target_pid
echo 400k >"$scratch_dir/rate"
start_target b --filter=rate rate-file="$scratch_dir/rate"
b_pid=$target_pid
start_daemon
wait_settled a || bail "no replica"
check "b cannot start" wait_until 60 field_is b state error

# --- it ships, which proves nothing yet -------------------------------------------
make_volume b 8
recover 4 b --wait 1s
says '^b: (tried: start it; now )?(syncing|connecting): '
check "b is shipped" wait_until 60 field_is b state syncing
kill -STOP "$b_pid"		# so it stays, meanwhile
recover 4 b --wait 200ms
says '^b: syncing: '
silent
echo 1G >"$scratch_dir/rate"
kill -CONT "$b_pid"
wait_settled b 60 || bail "b is not replicated"
check "  which proves it" field_is b unproven false
recover 0 b
says '^Nothing is in error'

# --- a try that is under way is waited for ------------------------------------------
kill_pid "$a_pid"
start_target a
a_pid=$target_pid
kill -STOP "$a_pid"
check "a connection is under way" wait_until 60 field_is a trying true
{ sleep 2; kill -CONT "$a_pid"; } &
recover 0 a
silent
wait $!
wait_settled a || bail "a is not replicated"

# --- another session has the target: no try of it is left -----------------------------
kill_pid "$a_pid"
set_session_of a 100
start_target a
a_pid=$target_pid
check "it is superseded" wait_until 60 field_is a state error
check "  which is kept" field_is a unproven true
check "  and waits for an operator" wait_until 60 eval \
	'[ "$(field a waits_for_retry) $(field a trying)" = "false false" ]'
started=$SECONDS
recover 4 a --wait 5m
says '^a: error: .*superseded'
says 'next: .*replicactl resume'
silent
check "  at once" test $((SECONDS - started)) -lt 150
kill_pid "$a_pid"
set_session_of a -100
start_target a
replicactl resume a >/dev/null
check "when that is mended, resume helps" wait_settled a
check "  and proves it" field_is a unproven false

# --- a request tells the same -----------------------------------------------------------
kill_pid "$target_pid"
check "a is not well" wait_until 60 field_is a state connecting
sim-ctl request a recover
check "a request is told so" wait_until 60 grep -q \
	"request recover: it is not well yet: a: connecting" "$daemon_log"

# --- replicad stops -----------------------------------------------------------------------
start_target a
kill -STOP "$target_pid"
check "a connection is under way" wait_until 60 field_is a trying true
replicactl recover a --wait 60s >"$out" 2>&1 &
asker=$!
sleep 0.5	# it waits
stop_daemon
is "it stops cleanly" $? 0
wait $asker
is "  and who waits is told that it is not known" $? 1
kill -CONT "$target_pid"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, who has mended the cause of an error at night would wait for a
# retry that is minutes away, or be told that all is well when it is not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq python3
out=$scratch_dir/out

# recover WANTED_STATUS ARGUMENT...: its output goes to $out
recover() {
	local want=$1 status=0
	shift
	[ $want != 0 ] || set -- "$@" --wait 2m
	replicactl recover "$@" >"$out" 2>&1 || status=$?
	is "recover $*: status $want" "$status" "$want" || note "$(cat "$out")"
}

# says REGEX: what it has printed
says() {
	check "  it says: $1" grep -qE -- "$1" "$out" || note "$(cat "$out")"
}

tries() {
	grep -c . "$scratch_dir/tries" 2>/dev/null
}

# a target that takes a connection and lets it go
refuse_all() {
	rm -f "$scratch_dir/a.nbd"
	python3 - "$scratch_dir/a.nbd" "$scratch_dir/tries" <<'EOP' &
import socket, sys
with socket.socket(socket.AF_UNIX) as s, open(sys.argv[2], "w") as log:
    s.bind(sys.argv[1])
    s.listen(8)
    while True:
        s.accept()[0].close()
        print("try", file=log, flush=True)
EOP
	refuser=$!
	cleanup_fn kill_pid $refuser
	wait_until 60 test -S "$scratch_dir/a.nbd" || bail "no listener"
}

make_volume a 1
begin_config
configure a retry_max=1h metadata="$scratch_dir/a.meta"
configure b
printf '[volume c]\ntarget=%s\ngroup=g\n' "$(uri_of c)" >>"$scratch_dir/conf"
make_volume c 1
start_target a
a_pid=$target_pid
start_target b
start_target c
start_daemon

# --- a volume that could not be started -------------------------------------------
wait_settled a || bail "no replica"
wait_settled c || bail "no replica"
recover 4 b --dry-run
says '^b: error: '
says 'would be tried: start it'
recover 4 b
says '^b: tried: start it; still error: '
says '^    next: put right'
recover 0 a
says '^Nothing is in error'
# Several at a time, amid the tries of replicad itself: it is started once.
kill -STOP $daemon_pid
make_volume b 1
askers=
for _ in 1 2 3 4 5; do
	replicactl recover b >>"$scratch_dir/all" 2>&1 &
	askers+=" $!"
done
sleep 0.5	# that they all wait
kill -CONT $daemon_pid
# shellcheck disable=SC2086 # pids
wait $askers
is "each is told that it runs, whoever has started it" \
	"$(grep -cE "^b: (tried: start it; now )?[a-z-]+$" "$scratch_dir/all")" 5
recover 0
wait_settled b || bail "no replica"
is "it runs once" "$(rpc-call status | jq '[.volumes[].name] | sort | join(" ")' -r)" \
	"a b c"
recover 3 nosuch
says 'there is no volume nosuch'
recover 3 --group nosuch
recover 2 a --all
recover 2 --wait never

# --- a target that is tried seldom by now -----------------------------------------
kill_pid "$a_pid"
refuse_all
check "its target is tried less and less often" wait_until 60 eval \
	'[ $(tries) -ge 6 ]'
check "  and waited for" wait_until 60 field_is a waits_for_retry true
before=$(tries)
recover 4 a --dry-run --json
is "only to look tries nothing" "$(tries) $(jq -r '.items[0].try' "$out")" \
	"$before connect to its target"
recover 4 a --wait 3s
says '^a: tried: connect to its target; still connecting: '
says 'next: .*check the target'
check "it was tried at once" test "$(tries)" -gt "$before"
recover 0 --group g
says '^Nothing is in error'
check "it waits again" wait_until 60 eval '[ $(tries) -ge $((before + 7)) ]'
kill_pid $refuser
start_target a
recover 0
says '^a: tried: connect to its target; now '
wait_settled a || bail "no replica"

# --- the metadata device ----------------------------------------------------------
sim-ctl meta a fail
wait_until 60 field_is a persistence failed
recover 4 a --wait 1s
says '^a: replicating: the metadata device has failed'
says 'next: put the metadata device right'
{ sleep 1; sim-ctl meta a mend; } &
recover 0 a
says '^a: replicating$'
wait $!

# --- what is paused, or asked for by dmsetup ---------------------------------------
replicactl pause a >/dev/null
wait_until 60 field_is a state paused
recover 0
is "what is paused stays so" "$(field a state)" paused
replicactl resume a >/dev/null
wait_settled a
sim-ctl request a recover
check "dmsetup can ask for it" wait_until 60 grep -q "request recover: done$" \
	"$daemon_log"
stop_daemon
is "it stops cleanly" $? 0
finish

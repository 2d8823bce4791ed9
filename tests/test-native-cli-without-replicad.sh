#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, replicactl would be of no help just when replicad is down, or
# answer a typing error with something else than what to type.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"

ctl 1 status
err_has "replicad does not run \($socket\)"
err_has 'systemctl start replicad'
err_has 'kernel'
ctl 1 status --json
json 'd["error"]["exit"] == 1 and d["schema_version"] == 1'
ctl 1 enable vol --target nbd://b/v
err_has 'does not run'
ctl 1 --socket /nonexistent/s status
err_has '/nonexistent/s'
ctl 2 --socket "/$(printf 'x%.0s' {1..200})" status
ctl 0 version
out_has '^replicactl [0-9]'
ctl 0 version --json
json '"version" in d'
ctl 0 --version

ctl 2 staus
err_has "did you mean 'status'"
ctl 2 enabel
err_has "did you mean 'enable'"
ctl 2 xyzzy
check "no wild guess" bash -c "! grep -q 'did you mean' '$err'"
ctl 2 status --jsno
err_has 'did you mean --json'
ctl 2 enable vol --target
err_has '--target needs a value: URI'
ctl 2 status --check=yes
err_has '--check takes no value'
ctl 2 status -x
err_has 'no option -x'
ctl 2 status --timeout never
err_has 'not a time'
ctl 2 kernel lst
err_has 'none of list, status'
ctl 2 kernel status
err_has 'needs one volume'
ctl 2
# A program that asks for JSON gets it whatever it has typed.
for words in "staus" "status --jsno" "status --timeout never" "kernel lst" \
	"enable" "pause a b"; do
	# shellcheck disable=SC2086
	ctl 2 --json $words
	json 'd["error"]["exit"] == 2 and d["schema_version"] == 1'
	is "$words: nothing else is said" "$(cat "$err")" ""
done
ctl 2 kernel statsu
err_has "did you mean 'status'"
ctl 2 pair lsit
err_has "none of invite, join, list, revoke; did you mean 'list'"

for verb in $(replicactl help --words); do
	ctl 0 "$verb" --help
	is "examples come first" "$(head -n 1 "$out")" Examples
done
ctl 0 --help
ctl 2 help nothing
# One that hangs: nobody takes the connection, and there is room for no other.
python3 -c '
import socket, sys, time
path, ready = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen(0)
waiting = []
while True:
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    try:
        s.connect(path)
    except BlockingIOError:
        break
    waiting.append(s)
open(ready, "w").close()
time.sleep(600)' "$socket" "$scratch_dir/full" &
hanging=$!
end_hanging() {
	kill $hanging
}
cleanup_fn end_hanging
check "nobody listens" wait_until 60 test -e "$scratch_dir/full"
ctl 6 status --timeout 300ms
err_has 'does not answer in time'
ctl 6 events --timeout 300ms
finish

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-cli-*.sh: replicactl against fake-replicad.py. Source it after
# lib.sh.

requires_cmd python3
[ -x "$top_dir/utils/replicactl" ] || skip_all "needs utils/replicactl"
socket=$scratch_dir/s
answers=$scratch_dir/answers
export REPLICA_SOCKET=$socket
unset NO_COLOR

stop_fake() {
	kill "$fake_pid"
}

start_fake() {
	"$test_dir/fake-replicad.py" "$socket" "$answers" &
	fake_pid=$!
	cleanup_fn stop_fake
	wait_until 60 test -S "$socket" || bail "no fake replicad"
}

# says METHOD JSON: what the fake answers from now on, to this method only.
says() {
	printf '{"%s": %s}\n' "$1" "$2" >"$answers"
}

# ctl WANTED_STATUS ARG...: runs replicactl; its output goes to $out and $err.
ctl() {
	local want=$1 status=0
	shift
	timeout 120 replicactl "$@" >"$out" 2>"$err" </dev/null || status=$?
	is "replicactl $*: status $want" $status "$want" ||
		note "$(cat "$out" "$err")"
}
out=$scratch_dir/out
err=$scratch_dir/err

# out_has REGEX, err_has REGEX
out_has() {
	check "it prints: $1" grep -qE -- "$1" "$out" || note "$(cat "$out")"
}
err_has() {
	check "it says: $1" grep -qE -- "$1" "$err" || note "$(cat "$err")"
}

# json EXPRESSION: holds for the output, d
json() {
	check "json: $1" python3 -c "
import json, sys
d = json.load(open(sys.argv[1]))
assert $1, d" "$out"
}

# sent EXPRESSION: holds for the last request, d
sent() {
	check "sent: $1" python3 -c "
import json, sys
d = json.loads(open(sys.argv[1]).readlines()[-1])
assert $1, d" "$socket.log"
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a verb that one site asks the other one for
# would be done twice where the link was cut, or be told to have done nothing when
# it was done. The link is cut after each record of a connection, of both sides (it
# is lost, or half of it), and the site that does it is killed.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
requires_cmd cut-proxy
# The clear ones and the handshake have eight records, and an exchange two.
messages=7-9
[ -z "${DMR_SOAK_SECONDS-}" ] || messages=40
folder=$scratch_dir/volumes
steps=$scratch_dir/steps
mkdir "$folder"

# start_proxy MESSAGES: sets proxy_pid
start_proxy() {
	rm -f "$steps"
	cut-proxy --live=400 "127.0.0.1:$port" "127.0.0.2:$port" "$1" "$steps" \
		2>>"$scratch_dir/proxy.log" &
	proxy_pid=$!
	cleanup_fn kill_pid $proxy_pid
	wait_until 60 eval '[ -n "$(ss -Hltn "src 127.0.0.1:$port")" ]' ||
		bail "no proxy: $(cat "$scratch_dir/proxy.log")"
}
names_at_a() {
	replicactl snapshot v --names | xargs
}
wrong() {
	echo "$nr: $*: $(cat "$scratch_dir/says")" >>"$scratch_dir/wrong"
}
# One verb after the other, each of another snapshot: done once, it says so. One
# that is done twice says "there already".
nr=0
snapshot_and_drop() {
	nr=$((nr + 1))
	b timeout 120 replicactl snapshot v s$nr >"$scratch_dir/says" 2>&1 ||
		wrong "not taken ($?)"
	[ "$(names_at_a)" = s$nr ] || wrong "A has $(names_at_a)"
	replicactl snapshot v --drop s$nr --yes >"$scratch_dir/says" 2>&1 ||
		wrong "not dropped ($?)"
	grep -q ^done "$steps"
}

begin_config
printf '[backend east]\ndriver=file\nfolder=%s\n' "$folder" >>"$scratch_dir/conf"
start_daemon
start_b
choose_port
b replicactl pair invite p --address "127.0.0.1:$port" --listen 127.0.0.2 \
	--dir "$stage_dir" --create "v:1MiB:$site_b/v.base" \
	>"$scratch_dir/token" 2>"$scratch_dir/invite-says" || bail "no invitation"
start_proxy 0
join_pair p || bail "no pair"
wait_until 60 serves p || bail "B does not serve"
replicactl create v --size 1MiB --backend east --target pair:p >/dev/null ||
	bail "no volume"
wait_settled v 60 || bail "not settled"
# So that nothing but verbs is on the link
replicactl pause v >/dev/null || bail "no pause"
check "a snapshot" b replicactl snapshot v s0
check "  goes again" replicactl snapshot v --drop s0 --yes
kill_pid $proxy_pid

start_proxy $messages
wait_until 600 snapshot_and_drop
is "each verb is done once, at each cut" \
	"$(cat "$scratch_dir/wrong" 2>/dev/null)" ""
note "$nr verbs; $(grep -c ^step "$steps") cuts; $(grep -v ^step "$steps" | xargs)"
check "  there were cuts" test "$(grep -c ^step "$steps")" -ge 10
kill_pid $proxy_pid

# --- nobody there --------------------------------------------------------------------
b replicactl snapshot v gone >"$scratch_dir/says" 2>&1
is "without a link the status is one of its own" $? 9
check "  nothing was done, and that is said" grep -q "nothing was done" \
	"$scratch_dir/says"
b timeout 200 replicactl path v --any-site --wait=3m >"$scratch_dir/path" \
	2>"$scratch_dir/says" &
waits=$!
wait_until 60 grep -q "nothing was done" "$scratch_dir/says" || bail "no reason"
start_proxy 0
wait $waits
is "who waits is told when it is there" "$? $(cat "$scratch_dir/path")" \
	"0 p:/dev/mapper/v"
check "then it is done" b replicactl snapshot v one
is "  alone" "$(names_at_a)" one

# --- A is killed, soon or late -----------------------------------------------------
# kill_a_in SECONDS: while B asks; what B is told is true
kill_a_in() {
	local status
	nr=$((nr + 1))
	b timeout 120 replicactl snapshot v k$nr >"$scratch_dir/says" 2>&1 &
	asker=$!
	sleep "$1"	# that is the step: any moment will do
	kill_daemon
	start_daemon
	wait $asker
	status=$?
	case $status in
	0) names_at_a | grep -qw k$nr || wrong "it is not there" ;;
	6) grep -q "may have been done" "$scratch_dir/says" ||
		wrong "not said" ;;
	9) # A is away for longer than B waits for it
		grep -q "nothing was done" "$scratch_dir/says" ||
			wrong "not said"
		! names_at_a | grep -qw k$nr || wrong "it is there" ;;
	*) wrong "status $status" ;;
	esac
	statuses+=" $status"
}
for s in 0 0.1 0.2 0.4; do
	kill_a_in $s
done
note "statuses:$statuses"
is "what B is told of a killed A is true" \
	"$(cat "$scratch_dir/wrong" 2>/dev/null)" ""

both_stop_cleanly
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a replica on the far side of TLS, or of a
# pair, would have no history to ask for, or could not be tried out; or trying it
# would show its key, or go without.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
plugin_pair_stage=$stage_dir
. "$(dirname "$0")/lib-pair.sh"
requires_cmd jq replicactl certtool

key=00112233445566778899aabbccddeeff
echo "me:$key" >"$scratch_dir/keys"
echo "me:${key%f}0" >"$scratch_dir/wrong"

# start_tls_stage NBDKIT-OPTION...: the volume a, on a port
start_tls_stage() {
	choose_port
	tls_port=$port
	nbdkit -f -i 127.0.0.1 -p "$tls_port" --exit-with-parent \
		--tls=require "$@" "$plugin_so" \
		"dir=$plugin_pair_stage" history=1h \
		"create=a:${native_mib}MiB:$scratch_dir/a.base" \
		2>>"$plugin_log" &
	plugin_pid=$!
	cleanup_fn kill_pid $plugin_pid
	wait_until 60 listens_or_ends "$tls_port" $plugin_pid &&
		kill -0 $plugin_pid ||
		bail "no nbdkit: $(tail -n 3 "$plugin_log")"
}

# tls_uri [KEYS]
tls_uri() {
	echo "nbds://me@127.0.0.1:$tls_port/a?tls-psk-file=$scratch_dir/${1-keys}"
}

# write_epoch VOLUME SEED: one of its own
write_epoch() {
	sim-ctl write "$1" 0 1048576 "$2" && wait_settled "$1" 30
}

now_image() {
	head -c $((native_mib * 1048576)) "$scratch_dir/$1.img" \
		>"$scratch_dir/$2"
}

# make_test ARGUMENT...
make_test() {
	replicactl test --no-attach --json "$@" >"$scratch_dir/json" ||
		{ cat "$scratch_dir/json"; return 1; }
}

uri_of_test() {
	replicactl test --list --json |
		jq -r --arg n "$1" '.tests[] | select(.name == $n) | .uri'
}

# test_equals NAME FILE
test_equals() {
	nbdcopy "$(uri_of_test "$1")" "$scratch_dir/copy" &&
		cmp "$scratch_dir/copy" "$scratch_dir/$2"
}

is_listed() {
	replicactl history "$1" --json |
		json_holds --argjson e "$2" '[.epochs[].epoch] | index($e)'
}

# try VOLUME: what can be done to it is the same over TLS and to a pair
try() {
	local v=$1 one
	check "$v: the first sync" wait_settled "$v" 60
	check "an epoch" write_epoch "$v" 1
	one=$(field "$v" last_committed)
	now_image "$v" one
	check "another one" write_epoch "$v" 2
	now_image "$v" two
	check "its history is told" is_listed "$v" "$one"
	check "a test device of then" make_test "$v" --epoch "$one" \
		--name "$v-then"
	check "has what was there then" test_equals "$v-then" one
	check "one of now" make_test "$v" --name "$v-now"
	check "has what is there now" test_equals "$v-now" two
	check "it can be written" $python -m nbd \
		-u "$(uri_of_test "$v-now")" -c 'h.pwrite(b"x" * 4096, 0)'
	check "replication goes on" write_epoch "$v" 3
	now_image "$v" three
	check "the older one is as it was" test_equals "$v-then" one
	check "a third has the third" eval "make_test $v --name $v-3 &&
		test_equals $v-3 three"
	check "all are ready" eval "replicactl test --list --json |
		json_holds '[.tests[] | select(.state != \"ready\")] == []'"
	is "they pin what they are of" "$(replicactl history "$v" --json |
		jq '[.epochs[] | select(.pinned)] | length')" 3
}

make_volume a
make_volume b
start_tls_stage --tls-psk="$scratch_dir/keys"
begin_config
configure a "target=$(tls_uri)"
printf '[volume b]\ntarget=pair:p\n%s\n' \
	$'heartbeat=200ms\ninterval=20ms\nstale_wait=300ms' >>"$scratch_dir/conf"
start_daemon
start_b
choose_port
check "an invitation" invite p --history 1h \
	--create "b:${native_mib}MiB:$site_b/b.base"
check "a join" join_pair p
check "the receiver serves" wait_until 60 serves p
try a
try b
tr '\0' ' ' < <(cat /proc/[0-9]*/cmdline 2>/dev/null) >"$scratch_dir/seen"
replicactl test --list --json >>"$scratch_dir/seen"
cat "$daemon_log" "$b_log" >>"$scratch_dir/seen"
check "the servers are there" grep -q "tests/b-now.sock" "$scratch_dir/seen"
check "no key is to be seen" eval \
	'! grep -qE "$key|$(cut -d : -f 2 "$state_dir/pairs/p.key")" "$scratch_dir/seen"'

check "by its address, with the key" make_test --target "$(tls_uri)" --name addr
check "it is the image" test_equals addr three
refuses "with another key: no history" "TLS handshake( failed|.*same key)" \
	replicactl history --target "$(tls_uri wrong)"
refuses "nor a test device" "TLS handshake( failed|.*same key)" \
	make_test --target "$(tls_uri wrong)" --name wrong
refuses "without any" "TLS|tls" \
	replicactl history --target "nbd://127.0.0.1:$tls_port/a"
is "none of these is left" "$(replicactl test --names | grep -c wrong)" 0

kill_pid "$plugin_pid"
check "the server is gone: its devices say so" wait_until 60 eval \
	"replicactl test --list --json | json_holds '.tests[] |
		select(.name == \"a-now\") | .state != \"ready\"'"
check "the others are ready" eval "replicactl test --list --json |
	json_holds '.tests[] | select(.name == \"b-now\") | .state == \"ready\"'"
make-certificates "$scratch_dir/pki" || bail "no certificates"
start_tls_stage --tls-certificates="$scratch_dir/pki" --tls-verify-peer
certs="nbds://127.0.0.1:$tls_port/a?tls-certificates=$scratch_dir/pki"
check "with certificates" make_test --target "$certs" --name certs
check "it is the image" test_equals certs three
refuses "a peer by another name" "knows the peer by its host only" \
	make_test --target "$certs&tls-hostname=localhost" --name other
for t in $(replicactl test --names); do
	check "$t is dropped" replicactl test --drop "$t"
done
none_is_pinned() {
	replicactl history b --json |
		json_holds '[.epochs[] | select(.pinned)] == []'
}
check "B has nothing pinned" wait_until 60 none_is_pinned
stop_daemon
is "a clean stop" $? 0
finish

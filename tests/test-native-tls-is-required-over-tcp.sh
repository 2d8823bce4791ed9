#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a volume would go over a network in clear
# without anybody having allowed it, or not at all although the keys are right.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd certtool ss

says() {
	wait_until 60 field_is "$1" state error || return 1
	field "$1" reason | grep -qE -- "$2" || { field "$1" reason; return 1; }
}

key=00112233445566778899aabbccddeeff
echo "me:$key" >"$scratch_dir/keys"
echo "me:${key%f}0" >"$scratch_dir/wrong"
make-certificates "$scratch_dir/pki" || bail "no certificates"
for v in a b c d e f; do make_volume $v; done
begin_config
psk=(--tls=require --tls-psk="$scratch_dir/keys")
start_tcp_target a "${psk[@]}"
configure a "target=nbds://me@127.0.0.1:$port/?tls-psk-file=$scratch_dir/keys"
start_tcp_target b --tls=require --tls-certificates="$scratch_dir/pki" \
	--tls-verify-peer
configure b "target=nbds://127.0.0.1:$port/?tls-certificates=$scratch_dir/pki"
start_tcp_target c "${psk[@]}"
configure c "target=nbds://me@127.0.0.1:$port/?tls-psk-file=$scratch_dir/wrong"
start_tcp_target d
configure d "target=nbds://me@127.0.0.1:$port/?tls-psk-file=$scratch_dir/keys"
configure e "target=nbd://127.0.0.1:$port/"
start_tcp_target f
configure f "target=nbd://127.0.0.1:$port/" tls=off
start_daemon
check "with a key" replica_equals a
check "with certificates" replica_equals b
is "over several connections" "$(field a connections)" 4
check "a wrong key" says c "same key there"
check "a server without TLS" says d "does not offer TLS.*nothing is sent"
check "in clear, without leave" says e "sent in clear.*tls=off"
check "in clear, allowed" replica_equals f
is "that is named" "$(field f clear_text)" true
is "and what is encrypted is not" "$(field a clear_text)" false
encrypts='^(userspace|kernel)$'
check "it is told who encrypts" eval '[[ $(field a tls) =~ $encrypts ]]'
check "  also with certificates" eval '[[ $(field b tls) =~ $encrypts ]]'
is "  and that nobody does" "$(field f tls)" null
replicactl status >"$scratch_dir/status"
check "for people too" grep -q "^f: not encrypted (tls=off)" \
	"$scratch_dir/status"
refuses "a typo" "tls=of is neither on nor off" replicactl enable g \
	--target nbd://127.0.0.1/ --metadata none --tls of
refuses "enable asks, too" "sent in clear" replicactl enable g \
	--target nbd://127.0.0.1/ --metadata none
check "nothing of the key is in the log" eval \
	'! grep -qi "$key" "$daemon_log"'
sim-ctl storm a 2000 5 1500
check "a storm of writes" replica_equals a 60
stop_daemon
is "a clean stop" $? 0
finish

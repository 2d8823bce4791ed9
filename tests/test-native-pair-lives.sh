#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: two sites could not be paired by a token,
# a volume would not go to a pair, or it would not survive the end of a process.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"

make_volume a
begin_config
printf '[volume a]\ntarget=pair:p\n%s\n' \
	$'heartbeat=200ms\ninterval=20ms\nstale_wait=300ms' >>"$scratch_dir/conf"
start_daemon
start_b
choose_port
check "not paired yet: that is told" wait_until 60 eval \
	'field a reason | grep -q "pair p: there is none"'
check "an invitation" invite p --history 1h \
	--create "a:${native_mib}MiB:$site_b/a.base"
check "the token is one line" eval '[ $(wc -l <"$scratch_dir/token") = 1 ]'
is "it is listed" "$(b_pair p state)" invited
check "a join" join_pair p
check "the receiver serves" wait_until 60 serves p
is "the same id" "$(rpc-call pair_list | jq -r '.pairs[0].pair_id')" \
	"$(b_pair p pair_id)"
is "the same key" "$(cat "$state_dir/pairs/p.key")" \
	"$(cat "$site_b/state/pairs/p.key")"
is "that only root can read" "$(stat -c %a "$state_dir/pairs/p.key" \
	"$site_b/state/pairs/p.key" "$state_dir/pairs/p.json" | sort -u)" 600
check "the volume goes there" paired_equals a 60

check "its history can be asked for" replicactl history a --json
check "and has an epoch" eval \
	'[ "$(replicactl history a --json | jq ".epochs | length")" -ge 1 ]'

key=$(cut -d : -f 2 "$state_dir/pairs/p.key")
once=$(cut -d / -f 4 "$scratch_dir/token")
b replicactl pair list >"$scratch_dir/list"
b replicactl pair list --json >>"$scratch_dir/list"
replicactl status --json >>"$scratch_dir/list"
tr '\0' ' ' <"/proc/$(b_pair p server_pid)/cmdline" >>"$scratch_dir/list"
check "the list has something" grep -q tls-psk= "$scratch_dir/list"
check "no key in lists, logs, arguments" eval \
	'! grep -qE "$key|$once" "$scratch_dir/list" "$b_log" "$daemon_log"'

server=$(b_pair p server_pid)
kill -KILL "$server"
check "a killed server is started again" wait_until 60 eval \
	'serves p && [ "$(b_pair p server_pid)" != $server ]'
sim-ctl write a 0 65536 9
check "and gets what was written" paired_equals a 60
server=$(b_pair p server_pid)
# A client that hangs in the middle of TLS: nbdkit that is asked to end waits.
exec 8<>"/dev/tcp/127.0.0.1/$port"
printf '\0\0\0\3IHAVEOPT\0\0\0\5\0\0\0\0\x16\x03\x01\x02\0' >&8
is "a client hangs in TLS" "$(timeout 120 head -c 38 <&8 | tail -c 12 |
	od -An -tx1 | tr -d ' \n')" 000000050000000100000000
kill_pid $b_pid
check "the server ends with a killed replicad" wait_until 60 eval \
	'! kill -0 $server'
exec 8>&-
start_b
check "the next one serves the pair" wait_until 60 serves p
sim-ctl write a 65536 65536 8
check "and gets what was written" paired_equals a 60
kill_daemon
start_daemon
sim-ctl write a 131072 65536 7
check "the sender was killed" paired_equals a 60

refuses "a pair in use is not revoked" "volume a is sent to" \
	replicactl pair revoke p
check "the receiver revokes it" b replicactl pair revoke p
check "and serves it no more" wait_until 60 eval '[ -z "$(ss -Hltn "sport = :$port")" ]'
is "nothing is left of it" "$(ls "$site_b/state/pairs")" ""
check "the sender sees that" wait_until 60 field_is a state connecting
both_stop_cleanly
finish

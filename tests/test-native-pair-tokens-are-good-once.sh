#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who finds an old token could join, a typo
# would be told in riddles, or a stranger could stop or crash the daemon.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"

begin_config
start_daemon
start_b
choose_port

# join_with TOKEN
join_with() {
	replicactl pair join q <<<"$1"
}

# changed CHARACTERS-FROM CHARACTERS-TO: the key of the token, others
check "an invitation" invite p
token=$(cat "$scratch_dir/token")
IFS=/ read -r begin address id once check <<<"$token"
refuses "not a token" "begin with dmr-pair-1" join_with hello
refuses "nothing" "no token in the input" replicactl pair join q </dev/null
refuses "half a token" "damaged" join_with "${token%??????}"
refuses "a wrong digit" "damaged" join_with \
	"$begin/$address/$id/$(tr 0-9a-e 1-9a-f <<<"$once")/$check"
refuses "two tokens" "damaged" join_with "$token $token"
refuses "another version" "another version" join_with "${token/pair-1/pair-2}"
refuses "a bad name" "not a name" replicactl pair join ../q \
	<"$scratch_dir/token"
refuses "an unknown action" "none of invite" replicactl pair unite q
refuses "no address" "address" b replicactl pair invite z --dir /tmp
refuses "an address without a port" "not HOST:PORT" b replicactl pair invite z \
	--address localhost --dir /tmp
refuses "a name that is taken" "already" b replicactl pair invite p \
	--address "127.0.0.1:$port" --dir /tmp
refuses "a port that is taken" "port $port: Address already in use" \
	b replicactl pair invite z --address "127.0.0.1:$port" \
	--listen 127.0.0.1 --dir /tmp
is "the invitation stands" "$(b_pair p state)" invited

# Strangers at the door: noise, silence (more than are let in), a wrong key.
for i in 1 2 3; do
	head -c 3000 /dev/urandom >"/dev/tcp/127.0.0.1/$port"
done 2>/dev/null
refuses "an NBD client" "." timeout 120 nbdinfo "nbd://127.0.0.1:$port"
# Another daemon's one-time key for the same door and id.
cat >"$scratch_dir/forge.py" <<'END'
import sys
def crc32c(data):
    c = 0xffffffff
    for b in data:
        c ^= b
        for _ in range(8):
            c = c >> 1 ^ (0x82f63b78 if c & 1 else 0)
    return c
t = sys.argv[1].rsplit("/", 2)[0] + "/" + "ab" * 32
print(t + "/%08x" % crc32c(t.encode()))
END
forged=$(python3 "$scratch_dir/forge.py" "$token")
refuses "a forged key" "handshake.*used, or is it too old" join_with "$forged"
is "the invitation stands still" "$(b_pair p state)" invited
check "the refusals are logged" wait_until 60 grep -q "a join is refused" "$b_log"

check "the right one joins" join_with "$token"
refuses "but once" "used|open there" replicactl pair join r <<<"$token"
is "and nothing of it is kept" "$(rpc-call pair_list | jq '.pairs | length')" 1

choose_port
check "a short invitation" invite s --expires 1s
check "expires" wait_until 60 eval '[ -z "$(b_pair s state)" ]'
refuses "and is no good then" "still open there" replicactl pair join s \
	<"$scratch_dir/token"
choose_port
check "one more" invite t
check "is revoked" b replicactl pair revoke t
refuses "and is no good then" "still open there" replicactl pair join t \
	<"$scratch_dir/token"
refuses "there is nothing to revoke" "no pair t" b replicactl pair revoke t
check "B is well" b rpc-call status
both_stop_cleanly
finish

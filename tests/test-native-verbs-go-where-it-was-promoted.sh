#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: after a failover, who asks at the old primary
# would not be led to the new one, or something would be done at the old one.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-route.sh"

replicate_pair
is "the primary asks nobody" "$(replicactl path a --any-site)" /dev/mapper/a
is "what it refuses, it refuses itself" "$(status_of replicactl extend a)" 5
check "  not the other side" eval '! says "other side"'
make_epoch 11 0
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
wait_until 60 serves p || bail "B does not serve"
start_daemon
wait_until 60 field_is a state superseded || bail "it is not superseded"

is "at the old primary it is not to be used" "$(status_of replicactl path a)" 8
is "but where it was promoted" "$(replicactl path a --any-site)" p:/dev/mapper/a
is "B does not ask A" "$(b replicactl path a --any-site)" /dev/mapper/a
is "what it refuses is B's to refuse" "$(status_of replicactl extend a)" 5
check "  which is said" says "at the other side of the pair p: "
check "what it does not, is done there" replicactl extend a --size 9MiB
is "  it is larger" "$(stat -c %s "$site_b/a.base") $(b sim-ctl get a sectors)" \
	"$((9 << 20)) $((9 << 11))"
check "a snapshot" replicactl snapshot a one
check "and a clone" replicactl clone a c
is "  are there" "$(b replicactl snapshot a --names) $(
	b replicactl create --names | sort | xargs)" "one a c"
is "nothing of it is here" "$(replicactl create --json | jq '.volumes | length')" 0

check "B revokes the pair" b replicactl pair revoke p
is "and is not asked any more" "$(status_of replicactl path a --any-site)" 9

# Who has got the name of a revoked pair has not got its volumes
mkdir "$site_b/other"
b replicactl pair invite p --address "127.0.0.1:$port" --listen 127.0.0.1 \
	--dir "$site_b/other" --create "z:1MiB:$site_b/z.base" \
	>"$scratch_dir/token" || bail "no invitation"
join_pair q || bail "no pair"
wait_until 60 serves p || bail "B does not serve again"
id=$(b_pair p pair_id)
# What A says itself would make that of who speaks for it here a word of the past
stop_daemon
is "A stops cleanly" $? 0
is "another pair of that name may not ask for it" \
	"$(answer "$id" path '{"volume": "a"}')" 3
is "  but for its own" "$(answer "$id" path '{"volume": "z"}')" 8

# A pair ends while somebody waits
b replicactl snapshot z late >"$scratch_dir/late" 2>&1 &
asker=$!
wait_until 60 asks "$id" || bail "B does not ask"
check "B revokes that pair, too" b replicactl pair revoke p
wait $asker
is "who waits for it is told that nobody knows" "$?$(grep -c "revoked.*may have been done" \
	"$scratch_dir/late")" 61
is "and the other side has no say any more" "$(status_of b rpc-call peer \
	"{\"pair_id\": \"$id\", \"message\": \"{}\"}")" 3
b_stops_cleanly
finish

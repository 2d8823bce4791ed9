#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: with a pair that is revoked everybody would
# forget where its replicas are, or what can be done with them.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

replicate_pair
make_epoch 11 0
lose_a
b replicactl pair revoke p --yes >"$scratch_dir/says" || bail "it is not revoked"
next_step() {
	sed -n "s/^ *\(replicactl $1 \)VOLUME/\1a/p" "$scratch_dir/says"
}
check "what can be removed is said" test "$(next_step delete)" = \
	"replicactl delete a --replica --dir $stage_dir"
check "what can be a primary is, too" test "$(next_step failover)" = \
	"replicactl failover a --force --dir $stage_dir"
# shellcheck disable=SC2046 # words
check "  and that is right" b $(next_step failover)
check "  it is the primary then" wait_until 60 failed_over
check "  with all that came" cmp "$scratch_dir/image.$epoch" "$site_b/a.base"

start_daemon
check "who sent to it is told why it ends" eval \
	'replicactl disable a && replicactl pair revoke p --yes >"$scratch_dir/says"'
is "  and of no replica: there is none" "$(grep -c replicactl "$scratch_dir/says")" 0
choose_port
mkdir "$site_b/more"
b replicactl pair invite more --dir "$site_b/more" --listen 127.0.0.1 \
	--address "127.0.0.1:$port" >/dev/null || bail "no invitation"
is "for programs" "$(b replicactl pair revoke more --yes --json |
	jq -c '[.schema_version, .ok, .dir]')" "[1,true,\"$site_b/more\"]"
finish

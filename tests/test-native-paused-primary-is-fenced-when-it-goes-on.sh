#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a primary that was paused while the other
# site took over would ship on when it is resumed, or be written as if nothing
# had happened.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

# of what B's application reads
digest() {
	sha256sum <"$site_b/a.base"
}

a_options=on_superseded=readonly
replicate_pair
make_epoch 11 0
check "A is paused" replicactl pause a
check "  and written to" sim-ctl write a 0 4096 5
check "B takes over meanwhile" b replicactl failover a --force
is "  A has no connection, and does not know" "$(field a state)" paused
is "  it may be written" "$(field a writes)" allowed
at_b=$(digest)
check "it goes on" replicactl resume a
check "  and is superseded" wait_until 60 field_is a state superseded
check "  a write is refused then" wait_until 60 field_is a writes refused
refuses "  with an error" "Input/output error" sim-ctl write a 4096 4096 6
sed -i "s|^target=.*|target=local:$scratch_dir/spare|" "$scratch_dir/conf"
truncate -s $((native_mib + 1))M "$scratch_dir/spare"
replicactl config reload >"$scratch_dir/said" 2>&1
check "it is not sent elsewhere to be a primary again" grep -q \
	"another site has taken over, so its target stays" "$scratch_dir/said"
check "  and stays superseded" field_is a state superseded
is "  B has nothing of what was written" "$(digest)" "$at_b"
finish

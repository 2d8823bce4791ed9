#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: another volume's replica would be written
# over, or a target that cannot work would be taken without a word.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

says() {
	wait_until 10 field_is "$1" state error || return 1
	field "$1" reason | grep -qE -- "$2" || { field "$1" reason; return 1; }
}

for v in a b c d e; do make_volume $v; done
start_target a
begin_config
configure a
start_daemon
check "a is replicated" replica_equals a
stop_daemon

cp "$scratch_dir/a.target" "$scratch_dir/b.target"
truncate -s $((native_mib * 1048576)) "$scratch_dir/c.target"
start_target b
start_target c
start_target d --filter=nozero --filter=protect protect=0-4095
start_target e -r
begin_config
configure a
configure b
configure c
configure e
configure d target=nbd+unix:///nothing?sock=/x
sum=$(sha256sum <"$scratch_dir/b.target")
start_daemon
check "another pair's replica" says b "belongs to another pair"
check "too small: both sizes are named" says c \
	"too small: it has 8388608 bytes, .* needs 8454144"
check "read-only" says e "read"
check "an address that is none" says d "sock"
is "the verdict" "$(rpc-call status | jq -r .verdict)" error
check "each says what to do" eval \
	'for v in b c d e; do test -n "$(field $v next_step)" || exit 1; done'
sim-ctl write b 0 65536 4
sleep 0.5
is "not a byte was written to the other's replica" \
	"$(sha256sum <"$scratch_dir/b.target")" "$sum"
check "the volume beside them goes on" replica_equals a
finish

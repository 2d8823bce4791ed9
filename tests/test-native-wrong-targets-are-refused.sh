#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: another volume's replica would be written
# over, or a target that cannot work would be taken without a word.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

says() {
	wait_until 60 field_is "$1" state error || return 1
	field "$1" reason | grep -qE -- "$2" || { field "$1" reason; return 1; }
}

for v in a b c d e f g h i k; do make_volume $v; done
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

# Those without a header at our place: a filesystem, a larger volume's replica,
# data all over, data that may be overwritten.
size=$((native_mib * 1048576 + 1048576))
truncate -s $size "$scratch_dir/f.target" "$scratch_dir/h.target"
mke2fs -q -F -b 4096 "$scratch_dir/f.target" 4m
truncate -s $((size + 4194304)) "$scratch_dir/g.target"
dd if="$scratch_dir/a.target" of="$scratch_dir/g.target" bs=64k count=1 \
	skip=$((native_mib * 16)) seek=$(((native_mib + 4) * 16)) \
	conv=notrunc status=none
tr '\0' x <"$scratch_dir/f.target" >"$scratch_dir/i.target"
cp "$scratch_dir/i.target" "$scratch_dir/k.target"
for v in f g h i k; do start_target $v; done
begin_config
configure a
configure b
configure c
configure e
configure f
configure g
configure h
configure k
configure i overwrite=yes
configure d target=nbd+unix:///nothing?sock=/x
sum=$(sha256sum "$scratch_dir"/[bfgk].target)
start_daemon
check "another pair's replica" says b "belongs to another pair"
check "a filesystem" says f "not empty \(its first 128 KiB\).*overwrite=yes"
check "the replica of a larger volume" says g "not empty \(where the header of a"
check "data in the place of the header" says k "not a replica header.*overwrite"
check "an empty target is taken" replica_equals h
check "data that may be overwritten are" replica_equals i
check "too small: both sizes are named" says c \
	"too small: it has 8388608 bytes, .* needs 8454144"
check "read-only" says e "read"
check "an address that is none" says d "sock"
is "the verdict" "$(rpc-call status | jq -r .verdict)" error
check "each says what to do" eval \
	'for v in b c d e f g k; do test -n "$(field $v next_step)" || exit 1; done'
for v in b f g k; do sim-ctl write $v 0 65536 4; done
sleep 0.5
is "not a byte was written to what is somebody else's" \
	"$(sha256sum "$scratch_dir"/[bfgk].target)" "$sum"
check "the volume beside them goes on" replica_equals a
finish

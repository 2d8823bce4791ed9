#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who receives could not look at what there is,
# nor try it, without the primary: at the time when it is needed most.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"
. "$(dirname "$0")/lib-route.sh"

# b_test NAME ARGUMENT...
b_test() {
	b replicactl test a --no-attach --json --name "$@" >"$scratch_dir/says" \
		2>&1
}
# has NAME FILE: that test device of B
has() {
	local uri
	uri=$(b replicactl test --list --json |
		jq -r --arg n "$1" '.tests[] | select(.name == $n) | .uri')
	nbdcopy "$uri" "$scratch_dir/copy" && cmp "$scratch_dir/copy" "$2"
}
b_lists() {
	b replicactl history a --json |
		json_holds --argjson e "$1" '[.epochs[].epoch] | index($e)'
}

replicate_pair
make_epoch 11 0
first=$epoch
check "B tells the history of what it receives" b_lists "$first"
check "it is tried there, while replication goes on" b_test now
check "  it is as it is" has now "$scratch_dir/image.$first"
make_epoch 12 65536
check "  replication goes on" b_lists "$epoch"
check "  and what is tried is as it was" has now "$scratch_dir/image.$first"
lose_a
check "without the primary, too" b_test late
check "  it is the newest" has late "$scratch_dir/image.$epoch"
check "  or an older one" b_test old --epoch "$first"
check "  as it was" has old "$scratch_dir/image.$first"
is "another name is no replica" "$(status_of b replicactl test nosuch)" 3
check "  in words" says "no volume nosuch here, nor a replica"
key=$(cut -d : -f 2 "$site_b/state/pairs/p.key")
tr '\0' ' ' < <(cat /proc/[0-9]*/cmdline 2>/dev/null) >"$scratch_dir/seen"
b replicactl test --list --json >>"$scratch_dir/seen"
cat "$b_log" >>"$scratch_dir/seen"
check "no key is to be seen" eval '! grep -q "$key" "$scratch_dir/seen"'
for name in now late old; do
	b replicactl test --drop $name --yes >/dev/null || bail "it stays: $name"
done
b replicactl failover a --force >/dev/null || bail "no failover"
is "what is promoted is no replica any more" "$(status_of b replicactl test a)" 5
check "  in words" says "a is promoted here.*: it is no replica any more"
finish

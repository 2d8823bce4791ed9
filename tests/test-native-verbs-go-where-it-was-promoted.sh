#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: after a failover, who asks at the old primary
# would not be led to the new one, or something would be done at the old one.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

# status_of COMMAND...: its exit status
status_of() {
	"$@" >"$scratch_dir/says" 2>&1
	echo $?
}
says() {
	grep -q -- "$1" "$scratch_dir/says"
}

replicate_pair
is "the primary asks nobody" "$(replicactl path a --any-site)" /dev/mapper/a
is "what it refuses, it refuses itself" "$(status_of replicactl extend a)" 5
check "  not the other side" eval '! says "other side"'
make_epoch 11 0
lose_a
b replicactl failover a --force >/dev/null || bail "no failover"
wait_until 30 serves p || bail "B does not serve"
start_daemon
wait_until 60 field_is a state superseded || bail "it is not superseded"

is "at the old primary it is not to be used" "$(status_of replicactl path a)" 8
is "but where it was promoted" "$(replicactl path a --any-site)" p:/dev/mapper/a
is "B does not ask A" "$(b replicactl path a --any-site)" /dev/mapper/a
for verb in "snapshot a one" "clone a c" "extend a"; do
	# shellcheck disable=SC2086 # words
	status=$(status_of replicactl $verb)
	check "$verb is B's to refuse ($status)" \
		says "at the other side of the pair p: "
done
is "nothing of it is here" "$(replicactl create --json | jq '.volumes | length')" 0

check "B revokes the pair" b replicactl pair revoke p
is "and is not asked any more" "$(status_of replicactl path a --any-site)" 9
b_stops_cleanly
stop_daemon
is "A too" $? 0
finish

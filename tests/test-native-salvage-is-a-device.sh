#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: what a failover has dropped could be looked at
# only as a copy of it; or looking at it would change it, show damaged data as sound,
# or hold a file that was given away.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

# uri DEVICE
uri() {
	b replicactl test --list --json |
		jq -r --arg n "$1" '.tests[] | select(.name == $n) | .uri'
}

# shows DEVICE: it has what the export has
shows() {
	nbdcopy "$(uri "$1")" "$scratch_dir/copy" &&
		cmp "$scratch_dir/copy" "$scratch_dir/out"
}

# show ARGUMENT...: its answer is in $scratch_dir/json
show() {
	b replicactl salvage "$name" --device --no-attach --json "$@" \
		>"$scratch_dir/json"
}

# flip FILE AT: and once more is as it was
flip() {
	local byte
	byte=$(od -An -tu1 -j "$2" -N 1 "$1")
	# shellcheck disable=SC2059 # a byte
	printf "\\x$(printf %02x $((byte ^ 1)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

replicate_pair
make_epoch 11 0
back=$epoch
make_epoch 12 32768
make_epoch 13 131072
last=$epoch
lose_a
b replicactl failover a --force --epoch "$back" >/dev/null || bail "no failover"
name=$(b replicactl salvage --names)
file=$(b replicactl salvage --json | jq -r '.salvages[0].path')
sum=$(sha256sum <"$file")
b replicactl salvage "$name" --export "$scratch_dir/out" >/dev/null ||
	bail "no export"

refuses "there has to be one" "there is no salvage $name-no" \
	b replicactl salvage "$name-no" --device
refuses "one thing at a time" "one of them" \
	b replicactl salvage "$name" --device --export "$scratch_dir/no"
refuses "and it is said which" "NAME is missing" b replicactl salvage --device
check "it is a device" show
is "of a name that says of what" "$(jq -r .name "$scratch_dir/json")" \
	"a-$last-salvage"
is "as large as the volume" "$(jq .size_bytes "$scratch_dir/json")" \
	"$(stat -c %s "$scratch_dir/out")"
check "with what was dropped at its place, and nothing else" \
	shows "a-$last-salvage"
check "a second one can be had" show --name other
check "it can be written" /usr/bin/python3 -m nbd -u "$(uri other)" \
	-c 'h.pwrite(b"x" * 4096, 0)' -c 'assert h.pread(1, 0) == b"x"'
check "  which the other one does not see" shows "a-$last-salvage"
refuses "while it is shown it is not dropped" "the device .* shows it" \
	b replicactl salvage --drop "$name" --yes
is "  and is there as it was" "$(sha256sum <"$file")" "$sum"
check "it ends like a test device" \
	b replicactl test --drop "a-$last-salvage" --yes
check "  both do" b replicactl test --drop other --yes
is "  and nothing is left of them" "$(ls "$site_b/state/tests")" ""

flip "$file" 5000
check "where its data is damaged" show --name bad
check "  that is an error" eval '! nbdcopy "$(uri bad)" "$scratch_dir/copy" \
	2>/dev/null'
b replicactl test --drop bad --yes
flip "$file" 5000
flip "$file" 20
refuses "what is none at all is refused" "is no salvage, or damaged" \
	b replicactl salvage "$name" --device
flip "$file" 20

check "shown once more" show --name late
kill_pid $b_pid
start_b
is "a restart ends it" "$(b replicactl test --list)" "There is no test device."
check "so it can be dropped" b replicactl salvage --drop "$name" --yes
is "  and is gone" "$(b replicactl salvage)" "There is no salvage."
refuses "then there is none to be shown" "there is no salvage" \
	b replicactl salvage "$name" --device
b_stops_cleanly
finish

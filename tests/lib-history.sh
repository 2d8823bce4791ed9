# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# For test-native-*.sh that need both ends, after lib.sh: replicad on the
# simulated kernel, nbdkit with our plugin, and what is asked of its history.

# shellcheck source=tests/lib-native.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib-native.sh"
# shellcheck source=tests/lib-plugin.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib-plugin.sh"
# shellcheck source=tests/lib-staged.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib-staged.sh"
requires_cmd jq replicactl

stage_uri() {
	echo "nbd+unix:///$1?socket=$scratch_dir/a.nbd"
}

# start_pair [ARGUMENT...]: volume, stage and daemon, first sync done.
start_pair() {
	make_volume a
	start_stage "$@"
	begin_config
	configure a
	start_daemon
	wait_settled a || bail "no first sync"
}

# write_epoch OFFSET LENGTH SEED: an epoch of its own.
write_epoch() {
	sim-ctl write a "$1" "$2" "$3" && wait_settled a
}

# now_image FILE: what the volume is now.
now_image() {
	head -c $((native_mib * 1048576)) "$scratch_dir/a.img" >"$1"
}

# committed: the newest epoch at the target
committed() {
	field a last_committed
}

# test_is NAME JQ-CONDITION: holds for that test device
test_is() {
	replicactl test --list --json | json_holds --arg name "$1" \
		".tests[] | select(.name == \$name) | $2"
}

# make_test ARGUMENT...: its answer is in $scratch_dir/json
make_test() {
	replicactl test --no-attach --json "$@" >"$scratch_dir/json" ||
		{ cat "$scratch_dir/json"; return 1; }
}

# at_test NAME PYTHON: h is a connection to it.
at_test() {
	$python -m nbd -u "$(uri_of_test "$1")" -c "$2"
}

uri_of_test() {
	replicactl test --list --json |
		jq -r ".tests[] | select(.name == \"$1\") | .uri"
}

test_equals() {
	nbdcopy "$(uri_of_test "$1")" "$scratch_dir/copy" &&
		cmp "$scratch_dir/copy" "$2"
}

pinned() {
	replicactl history a --json |
		jq -c '[.epochs[] | select(.pinned) | .epoch]'
}

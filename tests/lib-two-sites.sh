# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# For tests with the real module, after lib.sh: two sites on one machine. What is
# "first" at A is "second" at B, which keeps it in $stage.

a() { REPLICA_SOCKET=$scratch_dir/a/control "$@"; }
b() { REPLICA_SOCKET=$scratch_dir/b/control "$@"; }
stage=$scratch_dir/b/stage
mkdir -p "$stage" "$scratch_dir/a"

# start SITE: its daemon; sets pid
start() {
	printf '[replicad]\nstate_dir=%s\nreactors=1\nplugin=%s\n' \
		"$scratch_dir/$1/state" \
		"$top_dir/daemon/nbdkit-replica-plugin.so" \
		>"$scratch_dir/$1/conf"
	REPLICA_SOCKET=$scratch_dir/$1/control replicad \
		--config "$scratch_dir/$1/conf" 2>>"$scratch_dir/$1.log" &
	pid=$!
	cleanup_fn end $pid
	wait_until 60 "$1" rpc-call status || bail "no replicad: $(
		tail -n 3 "$scratch_dir/$1.log")"
}

end() {
	kill -KILL "$1" 2>/dev/null
	wait "$1" 2>/dev/null
	true
}

forget_b_device() {
	dmsetup remove --retry second-dmr-view 2>/dev/null
	dmsetup message second 0 retire
	dmsetup remove --retry second 2>/dev/null
	losetup -D
}

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

# pair_sites: "first", of 32 MiB with a filesystem, at A, which is to send it to B
# by the pair p; sets a_pid, b_pid
pair_sites() {
	make_null disk0 32
	make_dm first "0 $(sectors_of /dev/disk0) linear /dev/disk0 0"
	mkfs.ext4 -q /dev/mapper/first || bail "no filesystem"
	start a
	a_pid=$pid
	start b
	b_pid=$pid
	b replicactl pair invite p --address 127.0.0.1:10999 --listen 127.0.0.1 \
		--dir "$stage" --history 1h \
		--create "second:32MiB:$scratch_dir/base" \
		>"$scratch_dir/token" || bail "no invitation"
	a replicactl pair join p <"$scratch_dir/token" || bail "no pair"
}

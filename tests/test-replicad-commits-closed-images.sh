#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The whole promise: if this fails, a target said that it had a consistent image
# of the group and had none, or a write was forgotten. Chains of dependent writes
# over two volumes; each image is checked where it is, at the instant at which
# the last header says so; links are cut and hang, the daemon is killed, in each
# phase of an epoch. DMR_SOAK_SECONDS=N makes each round that long.
# lab: timeout=1600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
. "$(dirname "$0")/lib-target.sh"
requires_cmd jq rpc-call replicad oracle-target
load_module
modprobe -q dm-delay

# make_pair [TABLE OPTION...]: $a and $b, of which reads take $read_ms.
nr=0 read_ms=0
slow=${DMR_SLOW:-1}	# each request costs much there: fewer writes
make_pair() {
	local name
	a=a$((++nr)) b=b$nr
	make_null $a-disk 8
	make_null $b-disk 6
	for name in $a $b; do
		make_dm $name-slow "$(delay_table $name $read_ms 0)"
		make_replica $name "$(origin_of $name)" "$@"
	done
}

# round DESCRIPTION SECONDS "WRITER" "TARGET" "CONFIG" [TABLE OPTION...]; leaves
# in $degraded how many epochs have
round() {
	local what=$1 seconds=${DMR_SOAK_SECONDS:-$2} seed=${DMR_SEED:-$nr}
	make_pair "${@:6}"
	begin "$seconds" "--seed $seed $3" "--seed $seed $4" "$5"
	note "$(rpc-call status | jq -c ".volumes[0] | {epochs_clean,
		epochs_partial, epochs_aborted, degraded, reconnects,
		commit_last_s, lag_median_s, cut_pause_max_s}")"
	degraded=$(($(rpc-call get $a degraded) + $(rpc-call get $b degraded)))
	check_writer "$what: no write failed"
	check "  the targets are the volumes at last" images_are_volumes $a $b
	check_target "  every image was closed"
	stop_daemon
	is "  the daemon ends well" $? 0
	note "$SECONDS s"
}

patience=20s
round "small writes, as many images as possible" 20 \
	"--chains 4 --max 8192 --pause $((2000 * slow))" "--images 20" ""
read_ms=3 few=4 pause=6000	# writes meet what is frozen still …
[ "$slow" = 1 ] || read_ms=300 few=2 pause=$((3000 * slow))	# … also there
round "up to 1 MiB, zeros, and so few pages that epochs degrade" 20 \
	"--chains 4 --zero 10 --pause $pause" "--images 5" "" \
	preserve_pages $few
check "  some did" test "$degraded" -gt 0
read_ms=0 patience=1s
round "links cut and hanging, the daemon killed, in each phase" 60 \
	"--chains 6 --max 65536 --zero 5 --pause $((10000 * slow))" \
	"--faults --daemon $daemon_pid_file --struck 8 --images 20" \
	"stale_wait=1s connections=2"

# That the target would notice: without stale_wait, what a server still executes
# of an old connection gets into a new epoch.
make_pair
begin 40 "--chains 4 --max 65536 --pause 5000" \
	"--faults --stale 6000 --images 1000000" \
	"stale_wait=0s"
check_noticed "a daemon that does not wait for stale writes is noticed"
stop_daemon
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a stage on this machine would need a server,
# or would lose what one behind a server keeps: the image at all times, the
# history, the refusal of what is somebody else's.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

target="stage:$stage_dir/a?base=$scratch_dir/a.base"

# served NAME COMMAND...: a check, with the stage served by nbdkit meanwhile
served() {
	start_stage history=1h
	check "$@"
	stop_plugin
}

# image_of FILE [EPOCH]
image_of() {
	nbdcopy "$(stage_uri "a@${2-latest}")" "$1"
}

same_as_volume() {
	image_of "$scratch_dir/image" && cmp "$scratch_dir/a.img" "$scratch_dir/image"
}

configure_a() {
	begin_config
	configure a window=256KiB "target=$1"
}

says_reason() {
	[[ $(field a reason) =~ $1 ]]
}

# refused NAME REGEX [TARGET]: it is not replicated, and why
refused() {
	[ $# -lt 3 ] || configure_a "$3"
	start_daemon
	check "$1" wait_until 60 says_reason "$2"
	[[ $(field a reason) =~ $2 ]] || field a reason | sed 's/^/# /'
	stop_daemon
}

make_volume a
configure_a "$target&history=1h"
start_daemon
wait_settled a || bail "no first sync"
is "it stages" "$(field a apply)" staged
is "it has an image" "$(field a replica_consistent)" true
write_epoch 0 65536 1
one=$(committed)
now_image "$scratch_dir/one"
write_epoch 65536 65536 2
check "the history is told" eval "replicactl history a --json | json_holds \
	'.state == \"ok\" and ([.epochs[].epoch] | index($one)) and
	.last_committed == $(committed)'"
rpc-call verify '{"volume": "a"}' >/dev/null
check "verify needs none" wait_until 60 eval 'rpc-call status | json_holds \
	".volumes[0].verify | .running == false and .compared_bytes > 0 and
	.differing_bytes == 0 and .error == null"'
refuses "nobody else can open it" "another process has it" \
	nbdkit -f -U "$scratch_dir/x.nbd" "$plugin_so" "dir=$stage_dir"
stop_daemon
is "a clean stop" $? 0

# view CONDITION: of the folder, without anybody who has it open.
view() {
	env -u REPLICA_SOCKET replicactl history --json \
		--target "stage:$stage_dir/a" | json_holds "$1"
}
sums() {
	find "$stage_dir" -type f | sort | xargs sha256sum
}
before=$(sums)
check "its history can be looked at" view \
	".state == \"ok\" and ([.epochs[].epoch] | index($one))"
check "and its state" eval "replicactl status --check --target \
	'stage:$stage_dir/a' | grep -x 'state: ok'"
is "nothing is changed by that" "$(sums)" "$before"
start_stage history=1h
check "also while nbdkit has it" view "[.epochs[].epoch] | index($one)"
stop_plugin
refuses "no such volume" "has no volume b" replicactl history \
	--target "stage:$stage_dir/b"
refuses "no stage" "No such file" replicactl history --target "stage:/proc/b"
refuses "no name" "want stage:DIR/VOLUME" replicactl history --target stage:b
served "nbdkit serves the same image" same_as_volume
served "and that of an epoch" image_of "$scratch_dir/image" "$one"
check "as it was" cmp "$scratch_dir/one" "$scratch_dir/image"

start_daemon
sim-ctl storm a 6000 5 1500 &
storm=$!
cleanup_fn kill_pid $storm
for i in 1 2 3 4 5 6; do
	sleep 0.$((RANDOM % 8 + 1))
	kill_daemon
	served "kill -9, the ${i}th: there is an image" \
		image_of "$scratch_dir/image"
	start_daemon
done
wait $storm
check "all of it arrives" wait_settled a 60
stop_daemon
served "and is the volume" same_as_volume

# What is resynced is compared first.
damage "$scratch_dir/a.base" 3 700
configure_a "$target"		# without a history: it is in the base
start_daemon
wait_settled a 60
rpc-call resync '{"volume": "a"}' >/dev/null
check "a resync" wait_until 60 is_compared
check "has compared digests" test "$(field a bytes_equal)" -gt 1000000
stop_daemon

start_stage
configure_a "$target"
start_daemon
check "nbdkit has it: it says so, and waits" wait_until 60 says_reason \
	"another process has it"
stop_plugin
check "then it goes on" wait_settled a 60
stop_daemon
refused "no such folder" "No such file" "stage:$scratch_dir/none/a"
refused "no such volume" "no volume b.*base=PATH" "stage:$stage_dir/b"
refused "a wrong option" "no histroy=" "$target&histroy=1h"
refused "another base" "on $scratch_dir/a.base" "stage:$stage_dir/a?base=/x"
rm -r "$state_dir"		# the same name, but another volume
refused "another volume's" "another|unrelated|not ours|belongs" "$target"
finish

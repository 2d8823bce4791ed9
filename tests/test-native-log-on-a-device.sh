#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a stage whose log is on a device would lose
# what it has acknowledged, would not find its log again, or would take a device
# that has something else on it.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"

device=$scratch_dir/log
create=create=a:${native_mib}MiB:$scratch_dir/a.base

# no NAME REGEX ARGUMENT...
no() {
	local what=$1 regex=$2
	shift 2
	rm -f "$scratch_dir/no"
	refuses "$what" "$regex" timeout 60 nbdkit -f -U "$scratch_dir/no" \
		"$plugin_so" "dir=$stage_dir" "$@"
}

dump() {
	"$top_dir/utils/replica-dump" "$@" >"$scratch_dir/dump"
}

dump_has() {
	grep -qE "$1" "$scratch_dir/dump"
}

has_files() {
	compgen -G "$stage_dir/a.log/*.seg" >/dev/null
}

truncate -s 64M "$device"
printf x | dd of="$device" seek=1024 bs=1 conv=notrunc status=none
no "a device with something on it" "has something on it" \
	"log_device=$device" "$create"
is "is as it was" "$(tr -d '\0' <"$device")" x
truncate -s 0 "$device"
truncate -s 64M "$device"

make_volume a
start_stage history=1h "log_device=$device"
begin_config
configure a window=512KiB
start_daemon
check "the first sync" equals
check "the folder has no segment" eval '! has_files'
sim-ctl storm a 4000 5 1500 &
storm=$!
cleanup_fn kill_pid $storm
images=0
for i in 1 2 3; do
	sim-ctl write a $((i * 65536)) 65536 "$i" || bail "no write"
	kill_pid "$plugin_pid"
	start_stage history=1h
	image "$scratch_dir/image" && images=$((images + 1))
	kill_daemon
	start_daemon
done
is "there was an image after each kill" $images 3
wait $storm
check "the image is the volume" equals
dump "$stage_dir"
is "replica-dump finds nothing wrong" $? 0
check "it finds the device" dump_has "the segments are on $device"
check "and what is on it" dump_has "slot [0-9]+: used, segment"
check "epochs, too" dump_has " clean epoch [0-9]+"
dump "$device"
check "also if the device is named" dump_has " clean epoch [0-9]+"

stop_daemon
stop_plugin
truncate -s 128M "$scratch_dir/blank"
start_stage "log_device=$scratch_dir/blank"
check "another device is not taken for it" eval \
	'! image "$scratch_dir/image" 2>/dev/null'
check "nor formatted" cmp -n $((128 << 20)) /dev/zero "$scratch_dir/blank"
stop_plugin
mv "$device" "$device.moved"
start_stage history=1h "log_device=$device.moved"
stop_plugin
start_stage history=1h
check "one that has moved is found again" image "$scratch_dir/image"
check "with the image" cmp "$scratch_dir/a.img" "$scratch_dir/image"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a replica behind NBD would stay too small for
# its volume; or one that is a plain file would have its header overwritten, or
# not be found any more.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

mib=1048576

# has_grown BYTES
has_grown() {
	field_is a size_bytes "$1" && settled a
}

# grows NAME BYTES COMMAND...: in use; then COMMAND tells if it is whole
grows() {
	local name=$1 bytes=$2
	shift 2
	sim-ctl grow a "$bytes"
	check "$name" wait_until 60 has_grown "$bytes"
	check "it is the volume" "$@"
}

staged_is_whole() {
	image "$scratch_dir/image" && cmp "$scratch_dir/a.img" "$scratch_dir/image"
}

file_is_whole() {
	cmp -n "$(stat -c %s "$scratch_dir/a.img")" "$scratch_dir/a.img" \
		"$scratch_dir/a.target"
}

# says STATE REGEX
says() {
	field_is a state "$1" && [[ $(field a reason) =~ $2 ]]
}

make_volume a
start_stage history=1h
begin_config
configure a connections=3
start_daemon
wait_settled a || bail "no first sync"
now_image "$scratch_dir/old"
epoch=$(committed)
grows "a stage grows" $((12 * mib)) staged_is_whole
grows "by less than moves its tail" $((12 * mib + 8192)) staged_is_whole
grows "by less than a chunk" $((12 * mib + 10240)) staged_is_whole
sim-ctl write a $((11 * mib)) 65536 4
check "it goes on" wait_settled a
check "and is the volume" staged_is_whole
check "an older epoch" nbdcopy "$(stage_uri "a@$epoch")" "$scratch_dir/image"
check "is as it was" cmp -n $((8 * mib)) "$scratch_dir/old" "$scratch_dir/image"
stop_daemon
stop_plugin
start_stage history=1h
start_daemon
check "after a restart of both" wait_settled a
check "it is as large as it was" staged_is_whole

stop_plugin
start_stage history=1h max_size=$((12 * mib + 16384))
check "with max_size it goes on" wait_until 60 settled a
image "$scratch_dir/old"
sim-ctl grow a $((13 * mib))
check "more than that is refused" wait_until 60 says error \
	"cannot be made larger"
check "which its site says" grep -q "grows to no more than 12599296" \
	"$plugin_log"
image "$scratch_dir/image"
check "its image is as it was" cmp "$scratch_dir/old" "$scratch_dir/image"
stop_plugin
start_stage history=1h
check "when that is allowed it grows" wait_until 60 has_grown $((13 * mib))
check "it is the volume" staged_is_whole
stop_daemon
stop_plugin

rm -r "$state_dir"
native_mib=13
start_target a
begin_config
configure a
start_daemon
wait_settled a 60 || bail "no sync to a file"
resyncs() {
	grep -c 'everything is shipped again' "$daemon_log"
}
before=$(resyncs)
size=$(stat -c %s "$scratch_dir/a.img")
sim-ctl grow a $((15 * mib))
check "a file that has no room: it says so" wait_until 60 \
	says error "too small: it has $((14 * mib)) bytes"
check "its image is as it was" cmp -n "$size" "$scratch_dir/a.img" \
	"$scratch_dir/a.target"
truncate -s $((24 * mib)) "$scratch_dir/a.target"
check "with room it goes on" wait_until 60 has_grown $((15 * mib))
check "and is the volume" file_is_whole
grows "it grows again" $((17 * mib)) file_is_whole
stop_daemon
start_daemon
check "it is found again" wait_settled a 60
is "and was never taken for a new one" "$(resyncs)" "$before"
stop_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: replicad would not stop before a long copy has
# ended, or would leave a part of a volume, or of a snapshot, or take one for
# whole that the disk has not got.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
requires_cmd replicactl jq

folder=$scratch_dir/volumes
mkdir "$folder"
begin_config
cat >>"$scratch_dir/conf" <<END
[backend east]
driver=file
folder=$folder
END
files() {
	find "$folder" -type f -name "$1" | wc -l
}
# is_begun GLOB: a file in the folder has something in it
is_begun() {
	[ "$(cat "$folder"/$1 | head -c 1)" = x ]
}
# stops_in GLOB COMMAND...: replicad, while COMMAND copies to GLOB for 40 seconds
stops_in() {
	"${@:2}" >"$scratch_dir/first" 2>&1 &
	wait_until 60 is_begun "$1" || bail "no copy has begun"
	replicactl clone v late >"$scratch_dir/second" 2>&1 &
	stop_daemon
	is "  it stops cleanly" $? 0
	wait
	is "  who asked is told" "$(grep -c "replicad is stopping" \
		"$scratch_dir/first")" 1
	is "  and nothing is left of it" "$(files "$1")" 0
	is "  nor of what stood behind it" "$(files 'late-*')" 0
}
start_daemon
check "a volume" replicactl create v --size 8MiB --backend east
base=$(replicactl create --json | jq -r '.volumes[0].base')
yes x | head -c 8M >"$base"
stop_daemon

SIM_SLOW_COPY=300 start_daemon
is "stopped while it clones" "$(names)" v
stops_in 'w-*' replicactl clone v w
check "  there is no record of it" test ! -e "$state_dir/made/w.json"
SIM_SLOW_COPY=300 start_daemon
is "stopped while it takes a snapshot" "$(names)" v
stops_in 'v-*.snap' replicactl snapshot v mon
touch "$scratch_dir/bad"
SIM_SLOW_COPY=1 SIM_BAD_DISK=$scratch_dir/bad start_daemon
check "a copy of which a write has failed is none" eval \
	'! replicactl clone v w >"$scratch_dir/failed" 2>&1'
check "  it says why" grep -q "Input/output error" "$scratch_dir/failed"
is "  and nothing is left of it" "$(files 'w-*')" 0
stop_daemon
start_daemon
is "the next one has no such snapshot" "$(replicactl snapshot v --names)" ""
is "  nor such a volume" "$(names)" v
check "  and takes one" replicactl snapshot v mon
check "  and clones" replicactl clone v w
check "    all of it" cmp "$base" "$(replicactl create --json |
	jq -r '.volumes[] | select(.volume == "w").base')"
stop_daemon
finish

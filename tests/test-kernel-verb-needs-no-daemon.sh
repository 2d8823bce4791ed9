#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, an operator could not see or repair what the kernel tracks
# while replicad is down.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
ctl 1 kernel list
err_has 'modprobe dm-replica'
load_module
ctl 0 kernel list
out_has 'no replica device'
make_null disk0 64
make_replica vol /dev/disk0

ctl 0 kernel list
out_has '^vol +[0-9]+:[0-9]+ +primary +idle +0 +64\.0 MiB +64\.0 MiB +-'
ctl 0 kernel list --json
json 'd["schema_version"] == 1 and d["devices"][0]["name"] == "vol"'
ctl 0 kernel status /dev/mapper/vol --json
json 'd["size_bytes"] == d["dirty_bytes"] == 67108864 and d["volatile"]'
ctl 0 kernel status vol
out_has '^dirty_bytes +64\.0 MiB'
ctl 0 kernel dirty vol
out_has '^0 67108864$'

check "an epoch makes the volume clean" dmr-ctl /dev/mapper/vol attach \
	"cut 1" "wait frozen" "release all" "end commit"
dd if=/dev/zero of=/dev/mapper/vol bs=4k count=2 seek=10 oflag=direct \
	2>/dev/null
ctl 0 kernel dirty vol --json
json 'd["extents"] == [{"offset_bytes": 40960, "length_bytes": 8192}]'
ctl 0 kernel mark vol --offset 1MiB --length 1
out_has '4\.0 KiB will be shipped again'
ctl 0 kernel dirty vol
out_has '^1048576 4096$'
ctl 0 kernel mark vol --all
is "all is dirty" "$(status_of vol dirty)" 16384
ctl 5 kernel mark vol --offset 64MiB --length 1
ctl 2 kernel mark vol
ctl 3 kernel status nothing
err_has 'no replica device nothing'

replicactl kernel hold vol --time 60s >"$out" 2>"$err" & hold=$!
is_held() {
	[ "$(replicactl kernel status vol | awk '$1 == "held" { print $2 }')" \
		= "$1" ]
}
check "new writes are held" wait_until 60 is_held yes
kill $hold
wait $hold
is "it ends well" $? 0
check "and they go on" is_held no
timeout 300 replicactl kernel events >"$out" & events=$!
sends_event() {
	dmsetup message vol 0 request hello
	grep -q 'vol *request *hello' "$out"
}
check "events are shown" wait_until 60 sends_event
kill $events
ctl 1 status
err_has 'goes on tracking 1 volume'
check_dmesg
finish

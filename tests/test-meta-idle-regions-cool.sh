#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a crash ships regions into which nobody wrote for hours, or a
# busy region is closed and opened again and again.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
seconds=/sys/module/dm_replica/parameters/idle_seconds
echo 10 >$seconds
make_kept_volume vol 64 4 region_size 1024
settle_volume vol

write_into() {
	ctl "regions $*" vol "$(printf 'write /dev/mapper/vol %d 8 1\n' \
		$(($1 * 1024)))" "$(printf 'write /dev/mapper/vol %d 8 1\n' \
		$(($2 * 1024 + 512)))"
}
hot_is() {
	[ "$(status_of vol hot)" = "$1/128" ]
}
# writes_of DEVICE: how many it has completed
writes_of() {
	awk '{ print $5 }' "/sys/class/block/$(basename "$(readlink -f "/dev/$1")")/stat"
}
keep_busy() {
	while :; do
		dd if=/dev/zero of=/dev/mapper/vol bs=4k count=1 seek=1280 \
			oflag=direct status=none
		sleep 0.1
	done
}

write_into 3 70
check "  are hot" hot_is 2
check "  and cool by themselves" wait_until 60 hot_is 0
is "  what was written is still dirty" "$(status_of vol dirty)" 2

keep_busy &
busy=$!
cleanup_fn kill $busy
check "one that is used" wait_until 60 hot_is 1
before=$(writes_of vol-meta)
sleep 15
check "  stays hot" hot_is 1
check "  and costs no write of metadata, or one for the time" \
	test "$(($(writes_of vol-meta) - before))" -le 1
kill $busy
check "  until nobody uses it" wait_until 60 hot_is 0

echo 0 >$seconds
write_into 5 90
sleep 12
check "with 0 nothing cools by itself" hot_is 2
check_dmesg
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# K2. A view read is at the device; a new write preserves the chunk and reaches
# the device first. If this fails, the read returns data from after the cut in a
# clean epoch.
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module --fault
make_volume vol 16
settle_volume vol
v=/dev/mapper/vol view=/dev/mapper/vol-dmr-view
p=/sys/module/dm_replica/parameters

# A control group whose reads of the disk are throttled: 4 KiB take four seconds.
# The copies are read by the kernel, which is not in it.
group=/sys/fs/cgroup/slow-reader
mountpoint -q /sys/fs/cgroup || mount -t cgroup2 none /sys/fs/cgroup ||
	skip_all "needs cgroup2"
echo +io >/sys/fs/cgroup/cgroup.subtree_control || skip_all "needs io.max"
mkdir $group || bail "no control group"
cleanup_fn rmdir $group
echo "$(cat /sys/class/block/vol-disk/dev) rbps=1024" >$group/io.max ||
	skip_all "needs io.max"
slow_read="start run echo 0 >$group/cgroup.procs;"
slow_read+=" exec dmr-ctl $v 'read $view"

overtaken() {
	cat <<EOF
attach
write $v 0 8 $1
cut next
wait frozen
$slow_read 0 8 $1'
busy $view
write $v 0 2 $2
read $v 0 2 $2
EOF
}
ctl "a write that overtakes it is not in it" vol < <(overtaken 1 2; cat <<EOF
finish
read $view 0 8 1
release all
end commit
EOF
)
ctl "a copy made while it was on its way back is taken" vol <<EOF
attach
write $v 0 64 3
cut next
wait frozen
put $p/fault_view_us 60000000
start read $view 0 64 3
busy $view
write $v 0 8 4
write $v 18 2 4
write $v 57 1 4
put $p/fault_view_us 0
finish
expect nr_copies=4
release all
end commit
EOF
ctl "a chunk released under it is an error" vol < <(overtaken 5 6 |
	sed "s/'read/'fails EIO read/"; cat <<EOF
release all
finish
end commit
EOF
)
set_fault fault_no_recheck 1
ctl "without the rule the test would have seen it" vol < <(overtaken 7 8 |
	sed "s/'read/'fails EILSEQ read/"; echo finish)
check_dmesg
finish

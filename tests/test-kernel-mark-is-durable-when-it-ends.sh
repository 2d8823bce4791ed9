#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, "replicactl kernel mark" would say that a range is shipped again,
# and a crash right after it would forget that.
# lab: fault timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
. "$(dirname "$0")/cli-lib.sh"
load_module --fault
make_null vol-disk 64
make_null vol-meta 4
linear="0 $(sectors_of /dev/vol-meta) linear /dev/vol-meta 0"
make_dm met "$linear"
make_dm vol "0 $(sectors_of /dev/vol-disk) replica /dev/vol-disk /dev/mapper/met 0"
settle_volume vol
check "nothing is to be noted" wait_until 60 is_kept vol

# becomes TABLE: the metadata device does
becomes() {
	dmsetup suspend --noflush met && dmsetup load met --table "$1" &&
		dmsetup resume met
}

set_fault fault_rewrite_us 60000000
ctl 6 kernel mark vol --offset 2MiB --length 1 --timeout 100ms
err_has 'has not noted that yet'
set_fault fault_rewrite_us 0
check "  it is noted soon" wait_until 60 is_kept vol
set_fault fault_rewrite_us 1000000
ctl 0 kernel mark vol --offset 1MiB --length 1
check "the verb ends when it is durable" is_kept vol
is "  they are marked" "$(status_of vol dirty)" 2
set_fault fault_rewrite_us 0

becomes "0 $(sectors_of /dev/vol-meta) error"
ctl 1 kernel mark vol --offset 3MiB --length 1
err_has 'metadata device has failed'
becomes "$linear"
check "  it is noted when that works again" wait_until 60 is_kept vol
is "  it was marked all the same" "$(status_of vol dirty)" 3
check_dmesg
finish

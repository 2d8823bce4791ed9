# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For tests with logical volumes, after lib.sh: LVM sees null_blk devices only,
# and keeps its hands off udev's events.
export LVM_SYSTEM_DIR=$scratch_dir/lvm
mkdir "$LVM_SYSTEM_DIR"
cat >"$LVM_SYSTEM_DIR/lvm.conf" <<'CONF'
devices { dir="/dev" scan_lvs=0 use_devicesfile=0 types=["nullb", 16] }
activation { monitoring=0 }
backup { backup=0 archive=0 }
global { use_lvmpolld=0 event_activation=0 }
CONF

# lv COMMAND...: one of its tools, and what udev makes of it
lv() {
	"$@" >>"$scratch_dir/said" 2>&1 7>&- ||
		{ cat "$scratch_dir/said"; return 1; }
	udevadm settle --timeout=120
}

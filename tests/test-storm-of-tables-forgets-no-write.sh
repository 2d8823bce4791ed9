#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a reload, a suspend, growth, removal or the module's unload,
# under load and with an epoch open, loses a write, forgets one, or leaks.
# lab: timeout=300
#
# DMR_SOAK_SECONDS=N: longer than 30 s; DMR_SEED=N: the same again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
make_null origin 16
make_null meta 2
make_null target 16
cleanup_fn dm_remove storm
cleanup_fn dm_remove storm-dmr-view

storm "${DMR_SOAK_SECONDS:-30}" "${DMR_SEED:-$RANDOM}" /dev/origin /dev/meta \
	/dev/target >"$scratch_dir/storm" 2>&1
is "it is as it should be after each change" $? 0
note "$(cat "$scratch_dir/storm")"
check_dmesg
# Hundreds of changes are udev's to look at, which others wait for.
udevadm settle --timeout=120
finish

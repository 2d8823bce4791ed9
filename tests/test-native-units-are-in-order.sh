#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, systemd would not take the units, or would insert the targets
# only after filesystems are mounted: writes would be missed at each boot.
. "$(dirname "$0")/lib.sh"
requires_cmd systemd-analyze make
root=$scratch_dir/root
mkdir "$root" "$scratch_dir/sbin"
ln -s "$top_dir/daemon/replicad" "$top_dir/utils/replicactl" "$scratch_dir/sbin"
for unit in "$top_dir"/utils/systemd/*.service; do
	sed "s|@SBINDIR@|$scratch_dir/sbin|" "$unit" \
		>"$scratch_dir/${unit##*/}"
done
verify() {
	systemd-analyze verify --man=no "$scratch_dir/$1" 2>&1 |
		grep -F "$1" >"$scratch_dir/words"
	! grep . "$scratch_dir/words" || { cat "$scratch_dir/words"; return 1; }
}
check "systemd takes the unit that inserts" verify replica-insert.service
check "and replicad's" verify replicad.service
check "and the metrics'" verify replica-metrics.service
check "and that of a volume" verify replica-volume@.service
check "  a restart of replicad does not end who uses it" eval \
	"! grep -q '^Requires=' '$scratch_dir/replica-volume@.service'"
check "targets are inserted before filesystems are mounted" \
	grep -q '^Before=.*local-fs-pre.target' "$scratch_dir/replica-insert.service"
check "what a hook mounts is seen by all" eval \
	"! grep -E '^(Protect|Private|ReadOnly|ReadWrite|Inaccessible|Bind|Temporary|Mount|Root)' \
	'$scratch_dir/replicad.service'"
check "what it starts exists" eval "sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' \
	'$scratch_dir'/*.service | xargs -n1 test -x"
finish

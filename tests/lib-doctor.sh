# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# For test-native-doctor-*.sh, after lib.sh and cli-lib.sh: a machine whose files
# are below $root, and what "replicactl doctor" finds there.

root=$scratch_dir/root
efi=$root/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
ko=$root/lib/modules/6.1.0-1-amd64/updates/dkms/dm-replica.ko.xz

put() {
	mkdir -p "${1%/*}" && printf '%b' "${2-}" >"$1"
}
# A machine where all is well, but for what a test changes.
make_good() {
	rm -rf "$root"
	put "$root/proc/sys/kernel/osrelease" '6.1.0-1-amd64\n'
	put "$root/proc/sys/kernel/io_uring_disabled" '0\n'
	put "$root/sys/module/dm_replica/refcnt"
	put "$root/dev/mapper/control"
	put "$ko"
	put "$root/usr/sbin/nbdkit"
	put "$root/usr/sbin/nbd-client"
	put "$root/etc/systemd/system/sysinit.target.wants/replica-insert.service"
	put "$root/etc/systemd/system/multi-user.target.wants/replicad.service"
	put "$root/run/systemd/timesync/synchronized"
	mkdir -p "$root/var/lib/replica"
}
configure() {
	put "$root/etc/replica/replica.conf" "$1"
}
says status '{"result": {"verdict": "ok", "volumes": []}}'
start_fake

# found LEVEL CHECK TEXT [REMEDY]: the last report has that finding
found() {
	check "$1 $2: $3" python3 - "$out" "$@" <<-'END'
	import json, re, sys
	path, level, check, text, *remedy = sys.argv[1:]
	for f in json.load(open(path))["findings"]:
	    if (f["check"] == check and f["level"] == level and
	            re.search(text, f["text"]) and (level == "ok" or f["remedy"]) and
	            re.search((remedy or [""])[0], f["remedy"] or "")):
	        sys.exit(0)
	print(open(path).read())
	sys.exit(1)
	END
}
# doctor STATUS
doctor() {
	timeout 120 replicactl doctor --root "$root" --json >"$out"
	is "doctor: status $1" $? "$1"
}
# broken LEVEL CHECK TEXT REMEDY COMMAND...: of a good machine that is changed so
broken() {
	local level=$1 status=0
	make_good
	"${@:5}"
	[ "$level" != bad ] || status=4
	doctor $status
	found "${@:1:4}"
}


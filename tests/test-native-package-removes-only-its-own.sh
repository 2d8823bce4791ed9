#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, an upgrade would leave a kernel without the module, a purge would
# leave things behind, or remove data.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
requires_root
requires_cmd make pod2man dpkg-deb cpio busybox
deb=$scratch_dir/the.deb
root=$scratch_dir/root
state=$root/var/lib/replica

make_deb() {
	make -s -C "$top_dir" deb && cp "$top_dir"/build/dm-replica_*.deb "$deb"
}
dp() {
	PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg --root="$root" --force-depends \
		--force-unsafe-io "$@" >"$scratch_dir/dpkg.out" 2>&1
}
said() {
	check "it is said: $1" grep -qE -- "$1" "$scratch_dir/dpkg.out" ||
		note "$(cat "$scratch_dir/dpkg.out")"
}
put() {
	cat >"$root/$1"
	chmod +x "$root/$1"
}
check "make deb" make_deb

# --- a root with what the scripts use, and with stand-ins --------------------------
mkdir -p "$root"/{bin,sbin,dev,usr/bin,usr/sbin,etc,run/systemd/system,proc/self} \
	"$root"/{var/lib/dpkg/info,var/lib/replica,built} \
	"$root"/lib/modules/{6.1-a,6.1-b,6.12-c}/{build,kernel} \
	"$root"/lib/modules/6.6-none/kernel "$root"/lib/modules/5.10-left-over
cp "$(command -v busybox)" "$root/bin/"
for tool in sh rm grep test echo find cut head readlink cat; do
	ln -s busybox "$root/bin/$tool"
done
touch "$root/dev/null" "$root/var/lib/dpkg/status" "$root/etc/group"
printf '#!/bin/sh\nexit 0\n' | put sbin/ldconfig
printf '#!/bin/sh\ngrep -q ^replica: /etc/group\n' | put bin/getent
printf '#!/bin/sh\necho replica:x:900: >>/etc/group\n' | put sbin/systemd-sysusers
printf '#!/bin/sh\n: >/etc/group\n' | put sbin/groupdel
# A kernel's module is there if its name is in /built; one can't be built for.
put sbin/dkms <<'END'
#!/bin/sh
for a; do [ "$last" != -k ] || k=$a; last=$a; done
case $1 in
add) ;;
status) [ ! -e "/built/$k" ] || echo "dm-replica/1, $k, x86_64: installed" ;;
install) [ "$k" != 6.1-b ] && [ -e "/lib/modules/$k/build" ] && : >"/built/$k" ;;
remove) rm -f /built/* ;;
*) exit 1 ;;
esac
END
put sbin/systemctl <<'END'
#!/bin/sh
case "$*" in
"-q is-enabled "* | "-q is-active "*) [ "$3" = replicad.service ] ;;
*) echo "$*" >>/units ;;
esac
END
built() {
	is "$1: the module is there for each kernel that it can be" \
		"$(ls "$root/built" | xargs)" "6.1-a 6.12-c"
	rm -f "$root"/built/*
}

# --- installed, upgraded, and not ---------------------------------------------------
check "it installs" dp -i "$deb"
said 'no module for +6.1-b 6.6-none: install the headers'
built "installed"
check "the group is there" grep -q ^replica: "$root/etc/group"
mkdir -p "$root/etc/replica"
touch "$root/etc/replica/replica.conf" "$state/volumes.conf"
check "it installs over itself" dp -i "$deb"
built "over itself"
check "what was configured stays" test -e "$state/volumes.conf"
dpkg-deb -R "$deb" "$scratch_dir/worse"
printf '#!/bin/sh\nexit 1\n' >"$scratch_dir/worse/DEBIAN/preinst"
chmod 755 "$scratch_dir/worse/DEBIAN/preinst"
dpkg-deb -b "$scratch_dir/worse" "$scratch_dir/worse.deb" >/dev/null
touch "$root/built/6.1-a"
refuses "an upgrade that fails" "" dp -i "$scratch_dir/worse.deb"
built "after it"
prerm=$root/var/lib/dpkg/info/dm-replica.prerm
cp "$prerm" "$scratch_dir/prerm"
echo 'exit 1' >>"$prerm"
rm -f "$root/units"
refuses "a removal that fails" "" dp -r dm-replica
built "after it"
is "what was off is on again, and no more" "$(grep -v daemon-reload "$root/units" |
	xargs -L 1 | tail -n 3 | paste -sd ,)" "--now disable \
replica-insert.service,enable replicad.service,start replicad.service"
check "it is in order" grep -q '^Status: [a-z]* ok installed' \
	"$root/var/lib/dpkg/status"
cp "$scratch_dir/prerm" "$prerm"
touch "$root/built/6.1-a"
check "it can be removed" dp -r dm-replica
is "with all modules" "$(ls "$root/built")" ""
check "the configuration stays then" test -e "$root/etc/replica/replica.conf"
check "no program does" test ! -e "$root/usr/sbin/replicad"
is "nor a note" "$(ls "$root"/run/*.prerm 2>/dev/null)" ""

# --- purged ---------------------------------------------------------------------------
# What replicad keeps by itself.
fill() {
	mkdir -p "$state"/{pairs,hooks,promotions,tests} "$root/etc/replica/hooks"
	touch "$state"/{lock,volumes.conf,vol.id,vol.id.new} "$state"/pairs/x.{json,key} \
		"$state/hooks/g.json" "$state/promotions/v.json" "$state/tests/t.log" \
		"$root/etc/replica/hooks/promote"
	: >"$root/proc/self/mounts"
}
# keeps WHAT COMMAND...: a purge with that in place leaves all of the state
keeps() {
	local what=$1
	shift
	check "it installs again" dp -i "$deb"
	fill
	"$@"
	cp -a "$state/." "$scratch_dir/before"
	check "with $what: it can be purged" dp -P dm-replica
	said 'stays'
	check "all of the state stays" diff -r --no-dereference "$scratch_dir/before" "$state/"
	is "nothing else does" "$(find "$root/usr" -type f)" ""
	rm -rf "$scratch_dir/before" "${state:?}"
}
in_state() {
	mkdir -p "$state/${1%/*}"
	echo data >"$state/$1"
}
mounted() {
	echo "/dev/sdb1 $1 ext4 rw 0 0" >"$root/proc/self/mounts"
}
keeps "a salvage" in_state salvage/vol-1/data
keeps "a stage" in_state stage/g/0000000001.seg
keeps "a stage among the pairs" in_state pairs/g/0000000001.seg
keeps "a metadata file" in_state ./vol.meta
keeps "a hidden file" in_state ./.base
keeps "a folder like a file" in_state vol.id.d/x
keeps "a file system in it" mounted /var/lib/replica/pairs
keeps "a file system of its own" mounted /var/lib/replica
linked() {
	mv "$state" "$root/var/lib/elsewhere"
	ln -s elsewhere "$state"
}
keeps "a link instead of a folder" linked
check "also where it leads" test -e "$root/var/lib/elsewhere/volumes.conf"
file_link() {
	mv "$state/vol.id" "$root/var/lib/vol.id"
	ln -s ../vol.id "$state/vol.id"
}
keeps "a link in it" file_link

check "once more" dp -i "$deb"
fill
mounted /etc/replica/hooks
check "and purged" dp -P dm-replica
check "nothing of the state is left" test ! -e "$state"
said '/etc/replica stays: a file system'
check "a mounted configuration stays" test -e "$root/etc/replica/hooks/promote"
check "for the last time" dp -i "$deb"
fill
mounted /var/lib/replica-of-another
check "and purged" dp -P dm-replica
check "nothing is left" test ! -e "$state" -a ! -e "$root/etc/replica" -a \
	! -e "$root/run/replica"
is "nor the group" "$(cat "$root/etc/group")" ""
finish

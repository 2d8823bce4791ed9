#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, "make install" or the package would leave something out, or a manual
# page would tell of options and keys that there are not.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
requires_cmd make pod2man podchecker systemd-analyze dpkg-deb cpio
image=$scratch_dir/image
man=$top_dir/Documentation/man

mk() {
	make -s -C "$top_dir" "$@"
}
check "make install" mk install SKIP_MODULE=1 DESTDIR="$image" PREFIX=/usr \
	UNITDIR=/usr/lib/systemd/system UDEVDIR=/usr/lib/udev
there() {
	local f
	for f; do
		check "$f is installed" test -s "$image/$f"
	done
}
there usr/sbin/{replicad,replicactl,replica-dump} usr/lib/libreplica.so.0 \
	usr/lib/systemd/system/{replicad,replica-insert,replica-metrics,replica-volume@}.service \
	usr/lib/udev/rules.d/58-dm-replica.rules \
	usr/lib/{sysusers,tmpfiles}.d/dm-replica.conf \
	usr/share/bash-completion/completions/replicactl \
	usr/share/dm-replica/monitoring/{replica.rules.yml,grafana-dashboard.json} \
	usr/share/man/man{8/replicactl.8,8/replicad.8,5/replica.conf.5,4/dm-replica.4,1/nbdkit-replica-plugin.1}
is "no place is left open" "$(grep -rlE '@[A-Z]+@' "$image/usr/lib/systemd")" ""
for unit in "$image"/usr/lib/systemd/system/*.service; do
	sed "s|/usr/sbin/|$image/usr/sbin/|" "$unit" >"$scratch_dir/${unit##*/}"
	is "systemd takes ${unit##*/}" "$(systemd-analyze verify --man=no \
		"$scratch_dir/${unit##*/}" 2>&1 | grep -F "${unit##*/}")" ""
done
is "sysusers takes its file" "$(systemd-sysusers --dry-run \
	"$image/usr/lib/sysusers.d/dm-replica.conf" 2>&1 | grep -i 'dm-replica.conf:')" ""

# --- manual pages: what they name is what there is ----------------------------------------
for pod in "$man"/*.pod; do
	check "${pod##*/} is well-formed" podchecker "$pod"
done
pod_options() {
	grep -oE 'B<--[a-z0-9-]+>' "$1" | sed 's/B<\(.*\)>/\1/' | sort -u
}
help_options() {
	"$@" --help | grep -oE '(^ +|, )--[a-z0-9-]+' | grep -oE -- '--.*' | sort -u
}
is "replicad.8 has the options of --help" "$(sed '/^=head1 CONF/,$d' \
	"$man/replicad.8.pod" >"$scratch_dir/p"; pod_options "$scratch_dir/p")" \
	"$(help_options replicad)"
keys=$(sed -n 's/^	{ "\([a-z_]*\)", KEY_.*/\1/p' "$top_dir"/daemon/config*.c | sort -u)
check "keys were found" test "$(wc -w <<<"$keys")" -gt 20
page=$image/usr/share/man/man5/replica.conf.5
sed 's/\\fB//g; s/\\fR//g; s/\\-/-/g' "$page" >"$scratch_dir/page"
for key in $keys; do
	check "replica.conf.5 has $key" grep -qw -- "$key" "$scratch_dir/page"
done
check "and all sections" eval 'for s in CONFIGURATION TLS "A STAGE"; do
	grep -q "$s" "$scratch_dir/page" || exit 1; done'
options=$(sed -n 's/^	{ "\([a-z_]*\)", offsetof.*/\1/p' "$top_dir/kmod/args.c")
messages=$(sed -n '/} messages\[\]/,/};/s/^	{ "\([a-z]*\)".*/\1/p' "$top_dir/kmod/status.c")
check "options and messages were found" test "$(wc -w <<<"$options $messages")" -ge 8
for word in $options role $messages; do
	check "dm-replica.4 has $word" grep -qF "B<$word>" "$man/dm-replica.4.pod"
done
# What stands in a command line of a page is what --help knows.
while read -r verb option; do
	check "an example: $verb $option" eval "replicactl help --words $verb |
		grep -qxe $option"
done < <(cat "$man"/*.pod "$top_dir/README.md" |
	grep -oE '^ +([a-z]+[#$] +)?replicactl [a-z]+ .*' |
	sed 's/.*replicactl/replicactl/; s/;.*//; s/|.*//; s/#.*//' |
	awk '{ for (i = 3; i <= NF; i++) if ($i ~ /^--[a-z]/) {
		sub(/=.*/, "", $i); print $2, $i } }' | sort -u)
while read -r verb; do
	check "a verb of a document: $verb" eval "replicactl help --words | grep -qx $verb"
done < <(grep -ohE 'replicactl [a-z]{3,}' "$man"/*.pod "$top_dir"/README.md \
	"$top_dir"/Documentation/*.rst "$top_dir"/utils/monitoring/*.yml |
	sort -u | awk '{ print $2 }' | grep -vxE 'that|talks|uses')

# --- the package ------------------------------------------------------------------------------
check "make deb" mk deb
deb=$(ls "$top_dir"/build/dm-replica_*.deb)
version=$(dpkg-deb -f "$deb" Version)
dpkg-deb -c "$deb" | awk '{ print $6 }' >"$scratch_dir/content"
is "it has all that is installed, and the module's source" \
	"$(cd "$image" && find . -type f | sort | comm -23 - <(sort "$scratch_dir/content"))" ""
check "all is root's" eval "! dpkg-deb -c '$deb' | awk '\$2 != \"root/root\"' | grep ."
for f in dkms.conf Kbuild kmod/Kbuild kmod/main.c kmod/uapi/linux/dm-replica.h \
	kmod/compat; do
	check "DKMS gets $f" grep -qE "^./usr/src/dm-replica-$version/$f/?\$" \
		"$scratch_dir/content"
done
check "it depends on its libraries" eval "dpkg-deb -f '$deb' Depends |
	grep -q 'libmicrohttpd.*liburing'"
built() {
	local kernel_source_dir=$1 dkms_tree=$scratch_dir/dkms PACKAGE_NAME PACKAGE_VERSION
	local -a MAKE
	mkdir -p "$dkms_tree/dm-replica/$version" && dpkg-deb -x "$deb" "$scratch_dir/x" &&
		cp -r "$scratch_dir/x/usr/src/dm-replica-$version" \
			"$dkms_tree/dm-replica/$version/build" || return 1
	. "$scratch_dir/x/usr/src/dm-replica-$version/dkms.conf"
	eval "${MAKE[0]}" && test -s "$dkms_tree/dm-replica/$version/build/${BUILT_MODULE_LOCATION[0]}/${BUILT_MODULE_NAME[0]}.ko"
}
headers=$(ls -d /usr/src/linux-headers-*-amd64 2>/dev/null | sort -V | tail -n 1)
if [ -n "$headers" ]; then
	check "the module is built as DKMS does it" built "$headers"
fi
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a snapshot of a logical volume would be one
# that can become invalid, or would be of somebody else when it is dropped.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-fake-lvm.sh"
requires_cmd replicactl jq

begin_config
cat >>"$scratch_dir/conf" <<END
[backend plain]
driver=lvm
volume_group=vg
[backend thin]
driver=lvm
volume_group=vg
thin_pool=pool0
END
# of VOLUME NAME FIELD
of() {
	replicactl snapshot "$1" --json | jq -r --arg n "$2" \
		".snapshots[] | select(.name == \$n) | .$3"
}
drop() {
	replicactl snapshot "$1" --drop "$2" --yes
}
snapshots() {
	lvs | grep -- '^[ab]-dmr-snap-' | xargs
}
vg=$scratch_dir/vg
start_daemon
check "a plain one" replicactl create a --size 16MiB --backend plain
check "a thin one" replicactl create b --size 16MiB --backend thin
check "a snapshot" replicactl snapshot a mon
tag=$(cut -d ' ' -f 2 "$vg/a-dmr-snap-mon")
check "  with room for all, read-only" said \
	"lvcreate --yes --snapshot --extents 100%ORIGIN --permission r --name a-dmr-snap-mon --addtag $tag vg/a-dmr-origin"
is "  its tag is its own id" "$tag" \
	"dmr-$(jq -r '.snapshots[0].id' "$state_dir/made/a.json")"
is "  where and how large it is" "$(of a mon path) $(of a mon size_bytes)" \
	"/dev/vg/a-dmr-snap-mon $((16 << 20))"
check "a thin snapshot" replicactl snapshot b mon
check "  has no size, and is not activated by others" said \
	"lvcreate --yes --snapshot --setactivationskip y --permission r --name b-dmr-snap-mon --addtag dmr-[0-9a-f]* vg/b-dmr-origin"

# --- clones -------------------------------------------------------------------------
head -c 16384 /dev/urandom >"$scratch_dir/devices/b-dmr-origin"
check "a thin one is cloned" replicactl clone b c
check "  it is a thin snapshot, active, and can be written" said \
	"lvcreate --yes --snapshot --setactivationskip n --activate y --permission rw --name c-dmr-origin --addtag dmr-$(jq -r .id "$state_dir/made/c.json") vg/b-dmr-origin"
check "  with metadata that are new" cmp -s -n 8192 \
	"$scratch_dir/devices/c-dmr-meta" /dev/zero
check "  of that size" said "lvcreate .* --name c-dmr-meta .*"
check "  it is as that was" cmp "$scratch_dir/devices/c-dmr-origin" \
	"$scratch_dir/devices/b-dmr-origin"
check "a snapshot is cloned" replicactl clone b d --from mon
check "  that one" said "lvcreate .* --name d-dmr-origin .* vg/b-dmr-snap-mon"
head -c 16384 /dev/urandom >"$scratch_dir/devices/a-dmr-origin"
truncate -s 16M "$scratch_dir"/devices/a-dmr-{origin,snap-mon}
rm "$scratch_dir/argv"
check "one that is not thin is cloned" replicactl clone a e
id=dmr-$(jq -r .id "$state_dir/made/e.json")
is "  copied from a snapshot that is its own" "$(grep -v ^lvs "$scratch_dir/argv" |
	sed "s/$id/ID/; s/ --yes//")" \
"lvcreate --snapshot --extents 100%ORIGIN --permission r --name e-dmr-copy --addtag ID vg/a-dmr-origin
lvcreate --wipesignatures y --zero y --size 16777216b --name e-dmr-origin --addtag ID vg
lvremove --select lv_name=e-dmr-copy && lv_tags=ID vg
$(grep e-dmr-meta "$scratch_dir/argv" | grep lvcreate | sed "s/$id/ID/; s/ --yes//")"
check "  it is as that was" cmp "$scratch_dir/devices/e-dmr-origin" \
	"$scratch_dir/devices/a-dmr-origin"
is "  of that, only it is left" "$(lvs | grep ^e- | xargs)" "e-dmr-meta e-dmr-origin"
check "its snapshot is cloned" replicactl clone a f --from mon
check "  that one, and none is taken" eval \
	'said "lvcreate .* --size 16777216b --name f-dmr-origin .*" && ! said ".* f-dmr-copy .*"'
check "  it is as that is" cmp -n 16384 "$scratch_dir/devices/f-dmr-origin" \
	"$scratch_dir/devices/a-dmr-snap-mon"
check "they go" eval 'replicactl delete e --yes && replicactl delete f --yes'
touch "$vg/full-e-dmr-origin"
refuses "no room for it" "e-dmr-origin: insufficient" replicactl clone a e
is "  nothing is left" "$(lvs | grep '^e-dmr'; ls "$state_dir/made" | grep ^e)" ""
rm "$vg/full-e-dmr-origin"
stop_daemon
SIM_DIE_AT=copied start_daemon
replicactl clone a e >/dev/null 2>&1
wait $daemon_pid
is "dies when it was copied" "$? $(lvs | grep ^e-dmr | xargs)" \
	"137 e-dmr-copy e-dmr-origin"
start_daemon
check "  the next one undoes it" wait_until 60 eval \
	'[ -z "$(lvs | grep ^e-dmr; ls "$state_dir/made" | grep ^e)" ]'
touch "$vg/full-e-dmr-meta"
refuses "no room for its metadata" "e-dmr-meta: insufficient" replicactl clone b e
is "  nothing is left" "$(lvs | grep ^e-dmr; ls "$state_dir/made" | grep ^e)" ""
mv "$vg/b-dmr-snap-mon" "$vg/renamed"
refuses "of one that was renamed" "has the tag" replicactl clone b e --from mon
mv "$vg/renamed" "$vg/b-dmr-snap-mon"
check "they go" eval 'replicactl delete c --yes && replicactl delete d --yes'

# --- half-way -----------------------------------------------------------------------
touch "$vg/full-a-dmr-snap-tue"
refuses "no room" "a-dmr-snap-tue: insufficient    free space" \
	replicactl snapshot a tue
is "  nothing is left" "$(snapshots) $(of a tue step)" \
	"a-dmr-snap-mon b-dmr-snap-mon "
echo "8388608 theirs -wi-a----- 0" >"$vg/a-dmr-snap-tue"
refuses "a name that is taken" "lvcreate vg/a-dmr-snap-tue" replicactl snapshot a tue
is "  that is left alone" "$(cut -d ' ' -f 2 "$vg/a-dmr-snap-tue")" theirs
rm "$vg/a-dmr-snap-tue" "$vg/full-a-dmr-snap-tue"
mv "$vg/a-dmr-origin" "$vg/renamed"
refuses "of a base that was renamed" "has the tag" replicactl snapshot a tue
mv "$vg/renamed" "$vg/a-dmr-origin"
is "  nothing is left" "$(of a tue step)" ""

# --- and gone -----------------------------------------------------------------------
sed -i 's/0$/1/' "$vg/a-dmr-snap-mon"
refuses "one that is in use" "a-dmr-snap-mon is in use" drop a mon
sed -i 's/1$/0/' "$vg/a-dmr-snap-mon"
mv "$vg/a-dmr-snap-mon" "$vg/renamed"
refuses "one that was renamed" "is it a-dmr-snap-mon, renamed" drop a mon
mv "$vg/renamed" "$vg/a-dmr-snap-mon"
touch "$vg/broken-lvs"
refuses "a volume group that cannot be read" "cannot be read" drop a mon
rm "$vg/broken-lvs"
is "  what is refused is forgotten" "$(of a mon step)" ready
touch "$vg/broken-lvremove"
refuses "one that cannot be removed" "no luck" drop a mon
is "  it is to go" "$(of a mon step)" deleting
rm "$vg/broken-lvremove"
stop_daemon
start_daemon
check "  it goes with the next start" wait_until 60 eval \
	'[ "$(snapshots) $(of a mon step)" = "b-dmr-snap-mon " ]'
check "another" replicactl snapshot a mon
touch "$vg/idle-lvremove"
refuses "one that is there still" "a-dmr-snap-mon is there after lvremove" drop a mon
rm "$vg/idle-lvremove"
is "  is known" "$(of a mon step)" deleting
sed -i "s/dmr-[0-9a-f]*/theirs/" "$vg/a-dmr-snap-mon"
check "it is another's by now: only the record goes" drop a mon
is "  that is left alone" "$(snapshots)" "a-dmr-snap-mon b-dmr-snap-mon"
check "a thin one goes" drop b mon
check "  with what it was taken of" replicactl delete b --yes
is "  nothing of it is left" "$(lvs | grep ^b-)" ""
stop_daemon
is "a clean stop" $? 0
finish

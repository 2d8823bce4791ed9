#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: LVM's tools would be called with what is an
# option by mistake, or a logical volume of somebody else would be removed, or one
# of ours would be left over.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
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
[backend wrong]
driver=lvm
volume_group=--yes
END
# is_zero FROM TO FILE
is_zero() {
	cmp -s -n $(($2 - $1)) -i "$1:0" "$3" /dev/zero
}
start_daemon

check "a plain one" replicactl create a --size 126MiB --backend plain
tag=$(cut -d ' ' -f 2 "$scratch_dir/vg/a-dmr-origin")
is "  the base and its metadata" "$(lvs)" "a-dmr-meta
a-dmr-origin"
check "  the base is zeroed, has its tag, and no filesystem of before" said \
	"lvcreate --yes --wipesignatures y --zero y --size 132120576b --name a-dmr-origin --addtag $tag vg"
is "  its tag is its id" "$tag" "dmr-$(jq -r .id "$state_dir/made/a.json")"
is "  its size is that of whole extents" "$(of a size_bytes)" $((128 << 20))
is "  its base has the name that LVM leaves alone" "$(of a base)" \
	/dev/vg/a-dmr-origin
meta=$scratch_dir/devices/a-dmr-meta
check "  its metadata are new, whatever lvcreate does" is_zero 0 8192 "$meta"
check "  and nothing else is written there" eval '! is_zero 8192 8200 "$meta"'
need=$(replicactl kernel meta-size $((256 << 10)) --json | jq .meta_bytes)
check "  the metadata is for that size" said \
	"lvcreate .* --size ${need}b --name a-dmr-meta .*"
check "  it grows" replicactl extend a --size 200GiB
check "  its base does" said "lvextend --yes --size 214748364800b vg/a-dmr-origin"
check "  and its metadata" said "lvextend --yes --size [0-9]*b vg/a-dmr-meta"
is "  which are large enough" "$(($(cut -d ' ' -f 1 "$scratch_dir/vg/a-dmr-meta") >= \
	$(replicactl kernel meta-size $((400 << 20)) --json | jq .meta_bytes)))" 1
is "  its size" "$(of a size_bytes)" $((200 << 30))
check "a thin one" replicactl create b --size 16MiB --backend thin
check "  it is in the pool" said \
	"lvcreate --yes --virtualsize 16777216b --thinpool pool0 --name b-dmr-origin --addtag dmr-[0-9a-f]* vg"
check "  its metadata is not" said \
	"lvcreate .* --size [0-9]*b --name b-dmr-meta .* vg"

# --- what is not ours ---------------------------------------------------------------
echo "8388608 theirs -wi-a----- 0" >"$scratch_dir/vg/c-dmr-meta"
refuses "a name that is taken" "c-dmr-meta already" replicactl create c \
	--size 8MiB --backend plain
is "  nothing is made" "$(lvs | grep c-dmr)" c-dmr-meta
is "  and no record" "$(of c step)" ""
refuses "no volume group, but an option" "volume_group" replicactl create d \
	--size 8MiB --backend wrong

# --- half-way -----------------------------------------------------------------------
touch "$scratch_dir/vg/full-d-dmr-meta"
refuses "no room for the metadata" \
	"lvcreate vg/d-dmr-meta: insufficient    free space" replicactl create d \
	--size 8MiB --backend plain
is "  the base is gone again" "$(lvs | grep ^d-)" ""
is "  and no record" "$(of d step)" ""
touch "$scratch_dir/vg/broken-lvremove"
refuses "that cannot be undone either" "insufficient" replicactl create d \
	--size 8MiB --backend plain
is "  it is known" "$(of d step)" deleting
check "  and said" grep -q "d: .*left until the next start: .*no luck" "$daemon_log"
rm "$scratch_dir/vg/broken-lvremove"
stop_daemon
start_daemon
check "  the next start undoes it" wait_until 60 eval \
	'[ -z "$(of d step)" ] && [ -z "$(lvs | grep ^d-)" ]'

# --- and gone -----------------------------------------------------------------------
sed -i 's/0$/1/' "$scratch_dir/vg/a-dmr-origin"
refuses "one that is in use" "vg/a-dmr-origin is in use" replicactl delete a --yes
is "  stays" "$(lvs | grep ^a-) $(of a step)" "a-dmr-meta
a-dmr-origin ready"
sed -i 's/1$/0/; s/-wi-a-/owi-a-/' "$scratch_dir/vg/a-dmr-origin"
refuses "one that has snapshots" "has snapshots, which would go with it" \
	replicactl delete a --yes
sed -i 's/owi-a-/-wi-a-/' "$scratch_dir/vg/a-dmr-origin"
mv "$scratch_dir/vg/a-dmr-origin" "$scratch_dir/vg/renamed"
refuses "one whose base was renamed" \
	"vg/renamed has the tag $tag of a: is it a-dmr-origin, renamed" \
	replicactl delete a --yes
refuses "  does not grow" "has the tag" replicactl extend a --size 300GiB
is "  all of it stays" "$(lvs | grep 'a-\|ren') $(of a step)" "a-dmr-meta
renamed ready"
mv "$scratch_dir/vg/renamed" "$scratch_dir/vg/a-dmr-origin"
cp "$scratch_dir/vg/a-dmr-origin" "$scratch_dir/kept"
sed -i 's/^[0-9]*/much/' "$scratch_dir/vg/a-dmr-origin"
refuses "what is not understood is not gone" "not understood" \
	replicactl delete a --yes
cp "$scratch_dir/kept" "$scratch_dir/vg/a-dmr-origin"
touch "$scratch_dir/vg/broken-lvs"
refuses "a volume group that cannot be read" "lvs vg: it cannot be read" \
	replicactl delete a --yes
rm "$scratch_dir/vg/broken-lvs"
is "  what is refused is forgotten" "$(of a step)" ready
stop_daemon
start_daemon
is "  also at the next start" "$(lvs | grep ^a-) $(of a step)" \
	"a-dmr-meta
a-dmr-origin ready"
# What is not active has -1 there.
sed -i 's/0$/-1/; s/-wi-a-/-wi---/' "$scratch_dir/vg/a-dmr-origin"
check "then it is deleted" replicactl delete a --yes
is "  both of it" "$(lvs | grep ^a-)" ""
check "another" replicactl create a --size 8MiB --backend plain
echo a-dmr-meta >"$scratch_dir/vg/meanwhile"
refuses "one that is renamed while it is deleted" "vg/renamed has the tag" \
	replicactl delete a --yes
is "  is known still" "$(of a step)" deleting
rm "$scratch_dir/vg/meanwhile"
mv "$scratch_dir/vg/renamed" "$scratch_dir/vg/a-dmr-meta"
check "  until it is deleted" replicactl delete a --yes
is "  all of it" "$(lvs | grep ^a-)" ""
echo "16777216 theirs -wi-a----- 0" >"$scratch_dir/vg/b-dmr-origin"
stop_daemon
SIM_DIE_AT="take out" start_daemon
check "one whose base is another's by now" replicactl delete b --yes
is "  that is left alone" "$(lvs | grep ^b-)" b-dmr-origin
check "  and no device is looked for above it" rpc-call status
stop_daemon
is "a clean stop" $? 0
finish

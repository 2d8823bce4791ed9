#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a clone would not be what it was made of, would
# change with it, or would be left half made.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
requires_cmd replicactl jq

mib=1048576
folder=$scratch_dir/volumes
mkdir "$folder"
begin_config
cat >>"$scratch_dir/conf" <<END
[backend west]
driver=file
folder=$scratch_dir
[backend east]
driver=file
folder=$folder
[target site-b]
uri=$(uri_of '{volume}')
for=east
[type gold]
replication_enabled=<is> True
[type plain]
driver=file
END
files() {
	find "$folder" -type f | wc -l
}
clone() {
	replicactl clone v "$@"
}
# changes WORD MIB: the volume v, which is not replicated
changes() {
	yes "$1" | head -c $mib | dd of="$(of v base)" bs=1M seek="$2" \
		conv=notrunc status=none
}
start_daemon
check "a volume" replicactl create v --size 8MiB --backend east --type plain
changes one 1
check "  a snapshot" replicactl snapshot v mon
changes two 3

check "a clone of it" clone w
is "  on the same backend, of the same type and size" \
	"$(of w backend) $(of w type) $(of w size_bytes) $(of w step)" \
	"east plain $((8 * mib)) ready"
check "  it is as that is" cmp "$(of w base)" "$(of v base)"
need=$(replicactl kernel meta-size $((16 << 10)) --json | jq .meta_bytes)
check "  its metadata are new" cmp -n "$need" "$(of w metadata)" /dev/zero
is "  of that size" "$(stat -c %s "$(of w metadata)")" "$need"
cp "$(of w base)" "$scratch_dir/was"
changes three 1
check "  it does not change with it" cmp "$(of w base)" "$scratch_dir/was"
check "a clone of the snapshot" clone x --from mon
check "  it is as that is" cmp "$(of x base)" \
	"$(replicactl snapshot v --json | jq -r '.snapshots[0].path')"
check "  it outlives it" replicactl snapshot v --drop mon --yes
check "  and what that was of" replicactl delete v --yes
is "  both of them" "$(names) $(files)" "w x 4"
check "a volume of that name" replicactl create v --size 8MiB --backend east
check "  like that one" eval 'cat "$(of x base)" >"$(of v base)"'

# --- one that is replicated -------------------------------------------------------
start_target y
check "a clone that is replicated" clone y --type gold
check "  it is" wait_settled y 60
check "  and is as that is" same_image y
is "  its type" "$(of y type) $(of y replicated)" "gold true"
check "  all of it was shipped" cmp -n $((8 * mib)) "$(of v base)" \
	"$scratch_dir/y.target"
exec 9<"$(of v base)"
refuses "of one that somebody has open" "in use.*no reflinks" clone z
exec 9<&-
before="$(names) $(files)"

# --- refused, and nothing is left -------------------------------------------------
refuses "a name that is taken" "there already" clone w
refuses "its own name" "there already" clone v
refuses "a name that is none" "not a name" clone a/b
refuses "no such snapshot" "no snapshot tue" clone z --from tue
refuses "one without a name" "name of a snapshot" clone z --from ""
refuses "no such volume" "not made here" replicactl clone u z
refuses "no such type" "nearest is .*gold" clone z --type goldd
refuses "no name" "clone needs VOLUME NEW" clone
touch "$scratch_dir/z.late"
refuses "that cannot be replicated after all" "z comes late" clone z --target \
	"$(uri_of y)"
is "  nothing is left of them" "$(names) $(files)" "$before"
is "what a backend can do is known" "$(replicactl capabilities east --json \
	--config "$scratch_dir/conf" | jq -c '[.backends[].clone]')" "[true]"
stop_daemon
sed -i "s|^folder=$folder\$|folder=$scratch_dir/elsewhere|" "$scratch_dir/conf"
start_daemon
refuses "its backend is elsewhere by now" "not where v was made" clone z
stop_daemon
sed -i "s|^folder=$scratch_dir/elsewhere\$|folder=$folder|" "$scratch_dir/conf"

# --- killed -------------------------------------------------------------------------
is_left() {
	[ "$(names) $(files)" = "$before" ]
}
for step in making created copying copied; do
	SIM_DIE_AT=$step start_daemon
	clone z >/dev/null 2>&1
	wait $daemon_pid
	is "dies at \"$step\"" $? 137
	left=$(files)
	start_daemon
	check "  the next one undoes it" wait_until 60 is_left
	stop_daemon
done
is "  there was a base then" "$left" $((${before##* } + 1))
is "a clean stop" $? 0
finish

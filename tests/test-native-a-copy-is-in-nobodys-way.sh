#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: while a clone is copied, which may take hours,
# no other verb would work; or one would take away what is copied, or made.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
requires_cmd replicactl jq

mib=1048576
folder=$scratch_dir/volumes
mkdir "$folder"
begin_config
cat >>"$scratch_dir/conf" <<END
[backend east]
driver=file
folder=$folder
END
create() {
	replicactl create "$1" --size 8MiB --backend east
}
# clones OPTION...: z of v, which has come to its copy
clones() {
	rm -f "$scratch_dir/reached"
	touch "$scratch_dir/hold"
	replicactl clone v z "$@" >"$scratch_dir/cloned" 2>&1 &
	clone_pid=$!
	wait_until 30 test -e "$scratch_dir/reached" || bail "no copy"
}
# It goes on, and has ended
copied() {
	rm "$scratch_dir/hold"
	wait $clone_pid
	status=$?
}
SIM_HOLD_AT=copying start_daemon
create v >/dev/null && create u >/dev/null || bail "no volume"
yes one | head -c $((5 * mib)) | dd of="$(of v base)" conv=notrunc status=none
cp "$(of v base)" "$scratch_dir/was"

# --- of the volume, which nobody may open ---------------------------------------------
clones
check "while it is copied another one is made" timeout 20 replicactl create w --size 8MiB \
	--backend east
check "  is replicated" timeout 20 replicactl enable w --target "local:$scratch_dir/t"
check "  and goes" timeout 20 replicactl delete w --disable --yes
is "it is in the list" "$(of z step) $(of z copied_bytes)" "making 0"
check "  as what it is" eval 'replicactl create | grep -q "^z: .*, making: 0 B are copied$"'
refuses "it is not deleted meanwhile" "the clone z of v is being copied" \
	replicactl delete z --yes
refuses "  nor enabled" "z is being made" replicactl enable z --target \
	"local:$scratch_dir/t"
refuses "  nor made twice" "z of v is being copied" \
	replicactl clone u z
refuses "what it is of is not deleted" "a clone of it is being copied" \
	replicactl delete v --yes
refuses "  nor opened" "the clone z of v is being copied" replicactl enable v --target \
	"local:$scratch_dir/t"
refuses "  nor copied by two" "the clone z of v is being copied" replicactl clone v y
check "what others have to do is not refused" timeout 20 replicactl extend u --size 9MiB
copied
is "it goes on" $status 0 || note "$(cat "$scratch_dir/cloned")"
check "  it is as that was" cmp "$(of z base)" "$scratch_dir/was"
is "  and is ready" "$(of z step) $(of z copied_bytes)" "ready null"
check "it goes" replicactl delete z --yes
check "  what it was of, too, is not in use" replicactl snapshot v tue

# --- for a snapshot ---------------------------------------------------------------------
rm "$scratch_dir/reached"
touch "$scratch_dir/hold"
replicactl snapshot v wed >"$scratch_dir/cloned" 2>&1 &
clone_pid=$!
wait_until 30 test -e "$scratch_dir/reached" || bail "no copy"
check "while it is copied for a snapshot another volume is made" timeout 20 \
	replicactl create w --size 8MiB --backend east
check "  and goes" timeout 20 replicactl delete w --yes
refuses "its other snapshots do not go" "v is being copied, for its snapshot wed" \
	replicactl snapshot v --drop tue --yes
refuses "  nor opened" "v is being copied, for its snapshot wed" replicactl enable v \
	--target "local:$scratch_dir/t"
refuses "  nor copied by two" "v is being copied, for its snapshot wed" \
	replicactl clone v y
refuses "  nor has it another one" "v is being copied, for its snapshot wed" \
	replicactl snapshot v thu
copied
is "it goes on" $status 0 || note "$(cat "$scratch_dir/cloned")"
check "  it is as that was" cmp "$scratch_dir/was" \
	"$(replicactl snapshot v --json | jq -r '.snapshots[] | select(.name == "wed").path')"
check "  it is dropped" replicactl snapshot v --drop wed --yes

# --- of a snapshot: the volume may be used ---------------------------------------------
check "  nor is it of another" replicactl snapshot v mon
clones --from mon
check "while a snapshot is copied its volume is replicated" timeout 20 \
	replicactl enable v --target "local:$scratch_dir/t"
refuses "  it is not dropped" "has a clone that is being made of that snapshot" \
	replicactl snapshot v --drop mon --yes
check "  another one is" replicactl snapshot v --drop tue --yes
copied
is "it goes on" $status 0 || note "$(cat "$scratch_dir/cloned")"
check "  it is as that is" cmp "$(of z base)" "$scratch_dir/was"
check "  it is dropped" replicactl snapshot v --drop mon --yes
check "it goes" replicactl delete z --yes

# --- which can fail -----------------------------------------------------------------------
replicactl disable v >/dev/null || bail "not disabled"
clones
exec 9<>"$(of v base)"
copied
is "somebody opens what is copied: there is none" $status 5
check "  it is told" grep -q "in use" "$scratch_dir/cloned"
exec 9>&-
is "  nothing is left of it" "$(names) $(find "$folder" -name 'z*')" "u v "
clones
stop_pid=$daemon_pid
kill $stop_pid
wait_until 30 grep -q stopping "$daemon_log" || bail "no stop"
copied
is "a stop ends it" $status 1
wait $stop_pid
is "  a clean one" $? 0
start_daemon
is "  nothing is left of it" "$(names) $(find "$folder" -name 'z*')" "u v "
stop_daemon

# --- what stands behind it in the line, when it steps out of that -----------------------------
SIM_HOLD_AT=created SIM_SLOW_COPY=50 start_daemon
replicactl snapshot v mon >/dev/null || bail "no snapshot"
clones --from mon
replicactl delete z --yes >"$scratch_dir/deleted" 2>&1 &
delete_pid=$!
replicactl snapshot v --drop mon --yes >"$scratch_dir/dropped" 2>&1 &
drop_pid=$!
replicactl clone v y --from mon >"$scratch_dir/second" 2>&1 &
second_pid=$!
sleep 1			# and who comes later comes while it is copied
copied
is "it goes on" $status 0 || note "$(cat "$scratch_dir/cloned")"
wait $delete_pid
is "  it was not deleted meanwhile" $? 5 || note "$(cat "$scratch_dir/deleted")"
wait $drop_pid
is "  nor what it is of dropped" $? 5 || note "$(cat "$scratch_dir/dropped")"
wait $second_pid
is "  nor copied by two" $? 5 || note "$(cat "$scratch_dir/second")"
check "  it is as that is" cmp "$(of z base)" "$scratch_dir/was"
check "it goes" replicactl delete z --yes
stop_daemon

# --- half-way -------------------------------------------------------------------------------
SIM_SLOW_COPY=100 start_daemon
replicactl clone v z >"$scratch_dir/cloned" 2>&1 &
clone_pid=$!
wait_until 30 eval '[ "$(of z copied_bytes)" -gt 0 ]' 2>/dev/null
check "how far it has come is told" eval 'replicactl create |
	grep -q "^z: .*, making: [0-9.]* [KM]iB are copied$"'
exec 9<>"$(of v base)"
wait $clone_pid
is "somebody opens what is half copied: there is none" $? 5
check "  it is told" grep -q "in use" "$scratch_dir/cloned"
exec 9>&-
is "  nothing is left of it" "$(names) $(find "$folder" -name 'z*')" "u v "
stop_daemon
SIM_DIE_AT=copied start_daemon
replicactl clone v z >/dev/null 2>&1
wait $daemon_pid
is "a death before it was settled" $? 137
start_daemon
check "  leaves nothing" wait_until 30 eval \
	'[ "$(names) $(find "$folder" -name "z*")" = "u v " ]'
stop_daemon
is "a clean stop" $? 0
finish

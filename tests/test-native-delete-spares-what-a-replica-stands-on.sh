#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a volume that was made here, and became the
# base of a replica, would be deleted under it when its pair is gone, or when
# nothing is sent there any more.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
requires_cmd jq

mkdir "$scratch_dir/volumes" "$scratch_dir/stage" "$scratch_dir/local"
begin_config
cat >>"$scratch_dir/conf" <<END
plugin=$plugin_so
[backend east]
driver=file
folder=$scratch_dir/volumes
END
base_of() {
	jq -r .base "$state_dir/made/$1.json"
}
start_daemon
for v in far near; do
	check "$v is made" replicactl create $v --size ${native_mib}MiB
done

# --- of a pair --------------------------------------------------------------------
start_b
choose_port
replicactl pair invite q --address "127.0.0.1:$port" --listen 127.0.0.1 \
	--dir "$scratch_dir/stage" \
	--create "data:${native_mib}MiB:$(base_of far)" >"$scratch_dir/token" ||
	bail "no invitation"
b replicactl pair join q <"$scratch_dir/token" || bail "no pair"
check "the base of a replica of another name" wait_until 60 test -e \
	"$scratch_dir/stage/data.volume"
refuses "  is not deleted" "replica of data in the stage $scratch_dir/stage" \
	replicactl delete far --yes
check "the pair is ended" replicactl pair revoke q --yes
wait_until 60 eval '[ -z "$(ss -Hltn "sport = :$port")" ]' || bail "nbdkit stays"
refuses "  it is not deleted" "stands on it" replicactl delete far --yes
stop_daemon
start_daemon
refuses "  nor after a restart" "stands on it" replicactl delete far --yes
check "  its data are there" test -e "$(base_of far)"
check "one that is none" replicactl create free --size 1MiB
check "  is deleted" replicactl delete free --yes

# --- of this machine --------------------------------------------------------------
make_volume src
check "a local target on what was made" replicactl enable src --target \
	"stage:$scratch_dir/local/src?base=$(base_of near)"
check "  gets it" wait_settled src 30
check "  it goes on nowhere" replicactl disable src
refuses "  its base is not deleted" "stands on it" replicactl delete near --yes
refuses "  nor kept as if it were a volume" "stands on it" replicactl snapshot near now
refuses "  nor cloned" "stands on it" replicactl clone near nearer
stop_daemon
start_daemon
refuses "  nor after a restart" "stands on it" replicactl delete near --yes

# --- until the replica is gone ----------------------------------------------------
cp "$scratch_dir/local/src.volume" "$scratch_dir/kept"
echo damaged >"$scratch_dir/local/src.volume"
refuses "whose base it is cannot be told" "description" replicactl delete near --yes
cp "$scratch_dir/kept" "$scratch_dir/local/src.volume"
check "the replica goes" replicactl delete src --replica \
	--dir "$scratch_dir/local" --keep-base --yes
check "  then the volume can" replicactl delete near --yes
is "  all of it" "$(find "$scratch_dir/volumes" -name 'near-*')" ""
rm -r "$scratch_dir/stage"
refuses "a stage that is not there may be on a disk that is not mounted" \
	"is it mounted" replicactl delete far --yes
mkdir "$scratch_dir/stage"
refuses "an empty folder, too" "is it mounted" replicactl delete far --yes
sed -i "\\| $scratch_dir/stage\$|d" "$state_dir/stages"
echo "- $scratch_dir/never" >>"$state_dir/stages"
check "it goes when the list says so; a folder that never was is no stage" replicactl delete far \
	--yes
stop_daemon
is "a clean stop" $? 0
finish

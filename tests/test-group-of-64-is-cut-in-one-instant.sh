#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, the members of a consistency group are cut one after the other:
# a record is in the image of one volume, and what it depends on is missing in
# another's.
# lab: soak timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
members=${DMR_GROUP_MEMBERS:-64}
cuts=${DMR_GROUP_CUTS:-20}
make_null pool $((members * 2))

# Slices of one disk; no delays here.
names=()
specs=()
for ((i = 0; i < members; i++)); do
	name=m$i
	make_dm "$name-disk" "0 4096 linear /dev/pool $((i * 4096))"
	make_replica "$name" "/dev/mapper/$name-disk"
	make_view "$name" "/dev/mapper/$name-disk"
	names+=("$name")
	specs+=("/dev/mapper/$name,/dev/mapper/$name-dmr-view,/dev/mapper/$name-disk")
done
pass "$members volumes"

start_writer --chains 4 --max 16384 -- "${names[@]}"
check "$cuts cuts of the whole group are closed" timeout 300 oracle-ship \
	--cuts "$cuts" --abort 10 --keep 10 --fuzzy 10 --clean $((cuts / 3)) \
	"$oracle_state" "${specs[@]}"
note "$(tail -n 1 "$scratch_dir/writer")"
check "no write failed" writer_ended_well
ctl "the group is there" m0 "expect group=1 members=$members"
ctl "one of them leaves it" m0 "attach" "join 0" \
	"expect group=0 members=1" "dev /dev/mapper/m1" \
	"expect members=$((members - 1))"
check_dmesg
finish

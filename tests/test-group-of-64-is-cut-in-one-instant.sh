#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, the members of a consistency group are cut one after the other:
# a record is in the image of one volume, and what it depends on is missing in
# another's.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
slow=${DMR_SLOW:-1}
# On a slow kernel udev does not keep up with 192 devices.
members=${DMR_GROUP_MEMBERS:-$((slow > 1 ? 16 : 64))}
cuts=${DMR_GROUP_CUTS:-20}
make_null pool $((members * 2))

# Slices of one disk, all made by one dmsetup, hence named by number.
names=()
specs=()
removals=()
devices=
major=$(awk '$2 == "device-mapper" { print $1 }' /proc/devices)
for ((i = 0; i < members; i++)); do
	name=m$i origin=$major:$((i + 1000))
	devices+="$name-disk,,$((i + 1000)),rw,0 4096 linear /dev/pool $((i * 4096));"
	devices+="$name,,$((i + 2000)),rw,0 4096 replica $origin - 0;"
	devices+="$name-dmr-view,,$((i + 3000)),ro,0 4096 replica-view $origin;"
	names+=("$name")
	specs+=("/dev/mapper/$name,/dev/mapper/$name-dmr-view,/dev/mapper/$name-disk")
	removals+=("$name-dmr-view" "$name" "$name-disk")
done
cleanup_fn dmsetup remove "${removals[@]}"
check "$members volumes" dmsetup create --concise "${devices%;}"

start_writer --chains 4 --max 16384 --pause 1000 -- "${names[@]}"
check "cuts of the whole group are closed" timeout $((300 * slow)) oracle-ship \
	--cuts "$cuts" --abort 10 --keep 10 --fuzzy 10 --seconds $((100 * slow)) --clean 5 \
	"$oracle_state" "${specs[@]}"
check_writer "no write failed"
ctl "the group is there" m0 "expect group=1 members=$members"
ctl "one of them leaves it" m0 "attach" "join 0" \
	"expect group=0 members=1" "dev /dev/mapper/m1" \
	"expect members=$((members - 1))"
check_dmesg
finish

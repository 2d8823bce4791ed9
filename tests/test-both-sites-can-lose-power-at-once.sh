#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, two sites that lose their power at the same moment do not find
# together again by themselves; or what was confirmed and committed is lost, or the
# replica is not one moment of the primary, or all has to be sent again.
# lab: host timeout=1800
. "$(dirname "$0")/demo/stage.bash"
. "$(dirname "$0")/lib-json.sh"
. "$(dirname "$0")/lib.sh"
requires_root
requires_cmd qemu-system-x86_64 jq sqlite3 mkfs.ext4
# shellcheck disable=SC2034 # used by stage.bash
{
project=$top_dir
scratch=$scratch_dir
within=$((300 * ${DMR_PATIENCE:-1}))
}
cuts=${DMR_CUTS:-2}
sectors=131112		# 64 MiB and 20 KiB
bytes=$((sectors * 512))
offset=2048
seed=${DMR_SEED:-$RANDOM}
RANDOM=$seed

give_up() {
	note "$(tail -n 5 "$scratch"/?/out/{steps,replicad}.log 2>/dev/null)"
	bail "$*"
}
kill_machines() {
	local site
	for site in "${!vm_pid[@]}"; do
		kill "${vm_pid[$site]}" 2>/dev/null
		wait "${vm_pid[$site]}" 2>/dev/null
	done
}
cleanup_fn kill_machines

start_site() {
	rm -rf "${scratch:?}/$1"
	case $1 in
	A) boot A --net both$$:1 --mem 1024 --pidfile "$scratch/A.pid" \
		--disk "$scratch/A.img" --disk "$scratch/A-state.img" \
		--disk "$scratch/A-map.img" ;;
	B) boot B --net both$$:2 --mem 1024 --pidfile "$scratch/B.pid" \
		--disk "$scratch/B.img" --disk "$scratch/B-log.img" ;;
	esac
}
# An emulated machine may hang as it boots, where there are too few processors.
boot_site() {
	start_site "$1"
	wait_until 120 test -e "$scratch/$1/started" && return
	note "$1 does not boot: once more"
	cut_power "$1"
	start_site "$1"
}
primary_returns() {
	boot_site A
	must A come_back $sectors $offset
	must A mount_bank
	must A check_bank
	is "A: no transfer is missing, the chain of hashes is whole" \
		"$(value gaps) $(value broken_links) $(value wrong_balances)" "0 0 0"
	check "A: what was confirmed is there" test "$(value last)" -ge "$confirmed"
	must A reopen_bank
}
# look_at_image NAME: at B, as a new test device
look_at_image() {
	must B open_pair_test "$1"
	must B inspect
	is "B: fsck finds nothing" "$(value fsck)" 0
	is "B: no transfer is missing, the chain of hashes is whole" \
		"$(value gaps) $(value broken_links) $(value wrong_balances)" "0 0 0"
	is "B: the files are there, as written" "$(value tree)" ok
	check "B: what was committed is there" \
		test "$(value last)" -ge "$confirmed"
}
replica_returns() {
	boot_site B
	must B open_site
	look_at_image "cut$1"
	must B drop_test "cut$1"
}

truncate -s $((bytes + offset * 512)) "$scratch/A.img"
truncate -s $(((bytes + 1048575) / 1048576 * 1048576 + 65536)) "$scratch/B.img"
truncate -s 1G "$scratch/B-log.img"
truncate -s 256M "$scratch/A-state.img"
truncate -s 1M "$scratch/A-map.img"
boot_site A
boot_site B
ask A make_volume $sectors $offset
ask B open_site new
answer A || give_up "A has no filesystem"
answer B || give_up "B has no replicad"
must A open_bank
must A start_replicad
pair_up dr A B
must A replica enable bank --target pair:dr --metadata /dev/vdc --trust-boot \
	--interval 100ms
await 240 '.synced and .state == "replicating"' || give_up "it does not replicate"

note "DMR_SEED=$seed"
for ((n = 1; n <= cuts; n++)); do
	await_confirmed
	sleep $((RANDOM % 3)).$((RANDOM % 10))
	cut_power A B
	note "cut $n, $confirmed transfers were confirmed and committed"
	if ((n % 2)); then
		replica_returns $n
		primary_returns
	else
		primary_returns
		replica_returns $n
	fi
	await 240 '.state == "replicating" and .replica_consistent' ||
		give_up "they do not find together: $(field state), $(field reason)"
	pass "they find together again"
	check "  not all is sent" test "$(field bytes_shipped)" -lt $bytes
	note "$(field bytes_shipped) bytes were sent, $(
		)$(field bytes_compared) compared"
done

must A close_bank
must A freeze
await 180 '.state == "replicating" and .dirty_bytes + .frozen_bytes == 0' ||
	give_up "the last epoch does not get to B"
progress
confirmed=$nr_transfers
look_at_image end
must A digest
digest=$reply
must B open_pair_test raw
must B image_digest $bytes
is "it is A's, byte for byte" "$reply" "$digest"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: create, clone, snapshot or delete would find
# the disk of the state folder or of the volumes full, and not say so, or leave
# something half made that stays until replicad is started anew (V10), or that
# keeps the same verb from being done when there is room. Each is tried with no
# room, with a page of it, with 16, 256, ... until it is done; by one replicad.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-full-disk.sh"
requires_root
requires_cmd mount umount replicactl jq

folder=$scratch_dir/volumes

# What there is, and what is said to be. What is left of a snapshot is a line in
# a record.
all_there_is() {
	find "$folder" "$state_dir/made" -type f ! -name filler -printf '%P ' \
		| xargs -n 1 | sort
	replicactl create --json | jq -c '.volumes[] | [.volume, .step, .base]'
	replicactl snapshot v --json |
		jq -c '.snapshots[] | select(.step == "ready") | .name'
	rpc-call status | jq -c '[.volumes[] | .name]'
}

# fills DIR LEAST WHAT COMMAND...: there are so many failures at least
fills() {
	local dir=$1 least=$2 what=$3 pages=0 status nr=0 before
	shift 3
	before=$(all_there_is)
	while :; do
		leave "$dir" $pages
		status=0
		"$@" >"$scratch_dir/says" 2>&1 || status=$?
		[ $status != 0 ] && [ $pages -lt 2048 ] || break
		nr=$((nr + 1))
		grep -qE "$is_full" "$scratch_dir/says" ||
			fail "$what, with $pages pages: it is said why"
		all_there_is >"$scratch_dir/after"
		if ! diff <(echo "$before") "$scratch_dir/after" \
			>"$scratch_dir/differs"; then
			fail "$what, with $pages pages: all is as it was"
			note "$(cat "$scratch_dir/says" "$scratch_dir/differs")"
		fi
		rm -f "$dir/filler"
		pages=$((pages ? pages * 16 : 1))
	done
	rm -f "$dir/filler"
	is "$what: no room for it $nr times, then it is done" $status 0
	check "  which was often enough" test $nr -ge "$least"
}

make_disk "$state_dir" 512k
make_disk "$folder" 8m
begin_config
printf '%s\n' '[backend here]' driver=file "folder=$folder" \
	'[type plain]' driver=file >>"$scratch_dir/conf"
start_daemon
check "a volume" replicactl create v --size 1MiB --type plain
head -c 1M /dev/urandom | dd of="$(replicactl create --json |
	jq -r '.volumes[0].base')" conv=notrunc status=none
# A new base is sparse: it needs no room.
for dir in "$state_dir" "$folder"; do
	at=${dir##*/} least=1
	[ "$at" = state ] || least=0
	truncate -s 2M "$scratch_dir/y.target"
	start_target y
	fills "$dir" 1 "$at: snapshot" replicactl snapshot v s
	is "  nothing is left of the others" "$(replicactl snapshot v --json |
		jq '.snapshots | length')" 1
	fills "$dir" 1 "$at: clone" replicactl clone v w
	fills "$dir" 1 "$at: clone of a snapshot" replicactl clone v x --from s
	fills "$dir" $least "$at: create" replicactl create y --size 1MiB --type plain
	fills "$dir" $least "$at: delete" replicactl delete y --yes
	fills "$dir" $least "$at: create, replicated" replicactl create y \
		--size 1MiB --type plain --target "$(uri_of y)"
	check "  it is" wait_settled y 60
	fills "$dir" $least "$at: snapshot --drop" replicactl snapshot v --drop s \
		--yes
	check "it is disabled" replicactl disable y
	kill_pid $target_pid
	rm "$scratch_dir/y.target"
	for v in w x y; do
		fills "$dir" $least "$at: delete" replicactl delete $v --yes
	done
done

# V11: a volume of that name was disabled, and is no longer in the configuration.
echo "what is known of it" >"$state_dir/z.id"
replicactl clone v z >"$scratch_dir/says" 2>&1
is "no other is made" $? 5
check "  and it is said why" grep -q "was replicated here before.*\.id" \
	"$scratch_dir/says"
is "  what is known of it stays" "$(cat "$state_dir/z.id")" "what is known of it"
stop_daemon
is "a clean stop" $? 0
finish

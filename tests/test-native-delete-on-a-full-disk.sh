#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: "delete --disable" that finds the disk of the
# state folder full would not say so, or would leave a volume that the next start
# of replicad looks for in vain.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-full-disk.sh"
requires_root
requires_cmd mount umount jq

make_disk "$state_dir" 512k
mkdir "$scratch_dir/volumes"
begin_config
printf '%s\n' '[backend here]' driver=file "folder=$scratch_dir/volumes" \
	'[type plain]' driver=file >>"$scratch_dir/conf"
start_daemon

restart() {
	kill_daemon
	start_daemon
}
# It is not replicated any more, but still in its device: that is told.
mend() {
	is "  what remains is told" "$(field "$1" reason | cut -d: -f1)" \
		"it is not replicated, but could not be taken out"
	replicactl recover "$1" >"$scratch_dir/says" 2>&1
	is "  to recover, with no room, does not help" $? 4
	rm "$state_dir/filler"
	replicactl recover "$1" >"$scratch_dir/says" 2>&1
	is "  with room, it takes it out" "$? $(cat "$scratch_dir/says")" \
		"0 $1: tried: take it out of its device; now gone"
}
# whole NAME: no error is left of it
whole() {
	local state
	state=$(rpc-call status | jq -r --arg v "$1" \
		'[.volumes[] | select(.name == $v) | .state] | join(" ")')
	case $state in
	'' | replicating | syncing | catching-up) ;;
	*) return 1 ;;
	esac
}
left() {
	find "$scratch_dir/volumes" -type f | wc -l
}
# delete_on_full NAME AFTER: with no room, with a page, two, four …, until it is done
delete_on_full() {
	local pages=0 status nr=0
	truncate -s 6M "$scratch_dir/$1.target"
	replicactl create "$1" --size 4MiB --type plain \
		--target "local:$scratch_dir/$1.target" >/dev/null ||
		bail "no volume $1"
	wait_settled "$1"
	while :; do
		leave "$state_dir" $pages
		status=0
		replicactl delete "$1" --disable --yes >"$scratch_dir/says" 2>&1 ||
			status=$?
		[ $status != 0 ] && [ $pages -lt 4096 ] || break
		nr=$((nr + 1))
		check "$1, $pages pages: it is said why" \
			grep -qE "$is_full" "$scratch_dir/says"
		$2 "$1"
		rm -f "$state_dir/filler"
		check "  it is replicated, or is not" wait_until 60 whole "$1"
		pages=$((pages ? pages * 2 : 1))
	done
	rm -f "$state_dir/filler"
	is "$1: after $nr times it is done" $status 0 ||
		note "$(cat "$scratch_dir/says")"
	restart
	is "  nothing is left of it" "$(left) $(grep -c "volume $1" \
		"$state_dir/volumes.conf") $(rpc-call status |
		jq '.volumes + .not_replicated | length')" "0 0 0"
}
delete_on_full x restart
delete_on_full y mend
stop_daemon
finish

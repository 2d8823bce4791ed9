#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: an operator would not be told what the
# replica can be opened at, or would be told of an epoch that is not there.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-history.sh"

# history_is CONDITION [ARGUMENT...]: jq's, of the JSON.
history_is() {
	local condition=$1
	shift
	replicactl history --json "$@" | json_holds "$condition"
}

start_pair history=1h
before=$(date +%s)
write_epoch 0 65536 1
one=$(committed)
write_epoch 65536 65536 2
two=$(committed)
check "at the primary, through replicad" history_is \
	".schema_version == 1 and .volume == \"a\" and .state == \"ok\" and
	.last_committed == $two and .size_bytes == 8388608" a
check "with the epochs" history_is \
	"[.epochs[] | select(.kind == \"clean\") | .epoch] |
	index($one) and index($two)" a
check "oldest first, none twice" history_is \
	'[.epochs[].epoch] | . == (sort | unique)' a
check "an epoch has a time and a size" history_is \
	".epochs[] | select(.epoch == $two) | .cut_time >= $before and
	.commit_time >= .cut_time - 1 and .bytes > 0 and .bytes < 200000" a
check "nothing is pinned" history_is '[.epochs[] | select(.pinned)] == []' a
check "at the primary it has a size, too" field_is a lag_bytes 0
check "the lag is a number of seconds" history_is \
	'.lag_s >= 0 and .lag_s < 600' a

$python -c "
from plugin_client import *
h = connect('a@$one', '$scratch_dir/a.nbd')
open('$scratch_dir/opened', 'w').close()
signal.pause()" &
cleanup_fn kill_pid $!
reader=$!
wait_until 60 test -e "$scratch_dir/opened" || bail "the image cannot be opened"
check "an image that is open pins its epoch, and no other" history_is \
	"[.epochs[] | select(.pinned) | [.epoch, .images]] == [[$one, 1]]" a
kill_pid $reader
check "and no longer" wait_until 60 history_is \
	'[.epochs[] | select(.pinned)] == []' a

unset REPLICA_SOCKET
check "at the receiving site, without replicad" history_is \
	"[.epochs[].epoch] | index($one) and index($two)" \
	--target "$(stage_uri a)"
check "the volume may be a word" history_is ".volume == \"a\"" a \
	--target "$(stage_uri "")"
check "or the only one" history_is ".volume == \"a\"" --target "$(stage_uri "")"
table=$(replicactl history --target "$(stage_uri a)" | sed -n '/^EPOCH/,$p')
is "as a table: the newest is the first row" \
	"$(sed -n 2p <<<"$table" | cut -d ' ' -f 1)" "$two"
check "of all that there is" test "$(wc -l <<<"$table")" = \
	$(($(replicactl history --json --target "$(stage_uri a)" |
		jq '.epochs | length') + 1))
is "or of the newest" "$(replicactl history --last 1 --json \
	--target "$(stage_uri a)" | jq -c '[.epochs[].epoch]')" "[$two]"

check "the replica as a whole" eval "replicactl status --json --check \
	--target '$(stage_uri a)' | json_holds '.state == \"ok\" and .lag_s >= 0 and
	.staged_bytes == 0 and .last_committed == $two and .epochs == null'"
check "for people" eval "replicactl status --target '$(stage_uri a)' |
	grep -E '^image: epoch $two, as of .* old'"
refuses "a volume that is not there" "no such volume" \
	replicactl history --target "$(stage_uri b)"
start_target plain
refuses "a server that keeps none" "keeps no history" \
	replicactl history --target "$(uri_of plain)"
refuses "a socket that is not there" "No such file" \
	replicactl history --target "nbd+unix:///?socket=$scratch_dir/none"
refuses "a wrong URI" "target=" replicactl history --target http://x/
export REPLICA_SOCKET=$scratch_dir/control
refuses "replicad does not know it" "there is no volume b" \
	replicactl history b
is "that is status 3" "$(replicactl history b 2>/dev/null; echo $?)" 3
kill_pid $plugin_pid
refuses "the server is gone" "refused|reset|closed|ended|No such" replicactl history a
stop_daemon
is "a clean stop" $? 0
finish

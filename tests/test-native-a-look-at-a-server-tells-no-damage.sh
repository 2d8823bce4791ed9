#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: who looks at the stage of a server that is at
# work is told that its log is damaged, for what that has just written; or is not told
# of damage where nobody is at work.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_cmd replicactl jq

look_holds() {
	replicactl status --json --target "stage:$stage_dir/vol" | json_holds "$1"
}

# flip FILE BYTE
flip() {
	local byte
	byte=$(od -An -tu1 -j"$2" -N1 "$1")
	printf "\\x$(printf %x $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

start_plugin history=1h
check "epochs" primary <<'EOP'
p = Primary().hello()
for epoch in range(1, 4):
    p.whole(epoch, 5 * epoch, epoch, 3)
EOP
check "a look tells nothing" look_holds '.notices == [] and .state == "ok"'
# What a look finds between the newest epoch that it has seen, and the one after.
seg=$(echo "$stage_dir"/vol.log/*.seg)
flip "$seg" 4104
check "what it does not understand is not told while the server has it" \
	look_holds '.notices == []'
echo old >"$stage_dir/vol.log/0000000009.seg.lost"
check "but what was put aside is" look_holds '(.notices | length) == 1 and
	(.notices[0].text | test("opened before is kept in")) and
	(.notices[0].next_step | test("0000000009.seg.lost"))'
rm "$stage_dir/vol.log/0000000009.seg.lost"
kill_pid $plugin_pid
check "when nobody has it, damage is told" look_holds '(.notices | length) == 1 and
	(.notices[0].text | test("is damaged.* not all it had is put aside yet")) and
	(.notices[0].next_step | test("have the stage opened"))'
is "nothing was put aside" "$(ls "$stage_dir"/vol.log/*.lost 2>&1 | wc -l)" 1
check "and nothing was removed" test -e "$seg"
: >"$plugin_log"
start_plugin history=1h
check "the server tells it" says 'error: vol: the log is damaged'
check "and so does a look, of what it has put aside" look_holds \
	'(.notices | length) == 1 and (.notices[0].next_step | test(".seg.lost"))'
file=$(replicactl status --json --target "stage:$stage_dir/vol" |
	jq -r '.notices[0].next_step' | sed 's/^look at \([^ ]*\) .*/\1/')
replica-dump "$file" >"$scratch_dir/dump"
check "the step told shows what stands behind the damage" \
	grep -q ' clean epoch 3 ' "$scratch_dir/dump"
stop_plugin
finish

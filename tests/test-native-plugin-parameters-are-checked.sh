#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a typing error would start a server that
# keeps something else than what was meant, or somewhere else.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

run() {
	timeout 60 nbdkit -U - "$plugin_so" "$@" --run true
}

no() {
	local what=$1 regex=$2
	shift 2
	rm -f "$scratch_dir/no"
	refuses "$what" "$regex" timeout 60 nbdkit -f -U "$scratch_dir/no" \
		"$plugin_so" "$@"
}

vol=create=vol:8MiB:$scratch_dir/vol.base
no "no folder" "dir= is missing"
no "a folder that is none" "dir=/dev/null: Not a directory" dir=/dev/null
no "one that is not there" "/none: No such file" "dir=$scratch_dir/none"
no "a typo" "no parameter 'histroy', did you mean 'history'" \
	"$stage_dir" histroy=1h
no "a size" "log=1x: want a number, or a size" "$stage_dir" log=1x
no "too small a log" "log=4096: want 262144 to" "$stage_dir" log=4096
no "no history" "history=1h,x: want an age, a size" "$stage_dir" history=1h,x
no "more history than log" "history: more than the log may take" \
	"$stage_dir" history=2GiB log=1GiB
no "more is kept than there is" "history_min: longer than history" \
	"$stage_dir" history=1m history_min=1h
no "no age" "open_timeout=x: want an age" "$stage_dir" open_timeout=x
no "no process" "parent=0: want 1 to" "$stage_dir" parent=0
no "a parent that is none" "parent=1: process [0-9]* has started this" \
	"$stage_dir" parent=1
no "no size of a volume" "max_size=0: want 512 to" "$stage_dir" max_size=0
no "a pair" "pair=xyz: want 32 hexadecimal digits" "$stage_dir" pair=xyz
no "another choice for a full log" "on_full=maybe: want refuse or apply" \
	"$stage_dir" on_full=maybe
no "a volume without a base" "create=vol:8MiB: want .*NAME:SIZE:BASE" \
	"$stage_dir" create=vol:8MiB
no "a name with a path in it" "'\.\.a@b' is no name" "$stage_dir" \
	"create=..a@b:8MiB:/tmp/x"
no "a size that cannot be" "a volume of 100 bytes cannot be" "$stage_dir" \
	"create=v:100:$scratch_dir/v"
is "nothing was left" "$(ls -A "$stage_dir" | grep -v '^lock$')" ""

check "a volume is made" run "$stage_dir" "$vol" history=1h,2GiB
check "the same line works again" run "$stage_dir" "$vol"
cd "$scratch_dir" || exit 1
check "a path from here" run stage create=vol:8MiB:vol.base
no "another base" "create=vol: it is there, but on .*/vol.base" "$stage_dir" \
	"create=vol:8MiB:$scratch_dir/v"
no "another group" "create=vol: it is there, but in group vol" "$stage_dir" \
	"create=g/vol:8MiB:$scratch_dir/vol.base"
start_plugin
no "another process has it (S9)" "another process has it" "$stage_dir"
stop_plugin
vol_size=16MiB
start_plugin
is "a larger size: it grows" "$(nbdinfo --size "$(uri vol@sum)")" \
	$((16 * 256 * 16))
finish

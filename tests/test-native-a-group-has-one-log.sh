#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: of a group whose volumes go to two stages,
# each of these would wait for the other's part of an epoch and commit nothing,
# while the primary takes all of it for committed and forgets what was written.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"

# stage NAME: where there is room for both
stage() {
	start_nbdkit "$scratch_dir/$1.nbd" "$plugin_so" "dir=$stage_dir.$1" \
		history=1h "create=g/a:${native_mib}MiB:$scratch_dir/a.$1" \
		"create=g/b:${native_mib}MiB:$scratch_dir/b.$1"
}
# goes VOLUME STAGE: as the file says
goes() {
	printf '[volume %s]\ngroup=g\ninterval=20ms\ntarget=nbd+unix:///%s?socket=%s\n' \
		"$1" "$1" "$scratch_dir/$2.nbd" >"$scratch_dir/conf.d/$1.conf"
}
has_clean() {
	[ "$(field a epochs_clean)" -gt "${1:-0}" ]
}

mkdir "$stage_dir.one" "$stage_dir.two" "$scratch_dir/conf.d"
stage one
stage two
make_volume a
make_volume b
begin_config
goes a one
goes b two
start_daemon
check "at two stages it is in error" wait_until 60 field_is a state error
check "  with both volumes" field_is b state error
check "  and says why" eval \
	'field a reason | grep -q "the log of a group is at one place"'
check "  and what to do" eval 'field a next_step | grep -q "to one server"'
sim-ctl write a 0 4096 5
check "  also after another try" wait_until 60 field_is a state error
is "no epoch was committed" "$(field a epochs_clean)" 0
check "  and all is dirty" test "$(sim-ctl get a dirty)" -gt 0
goes b one
check "both are sent to one" replicactl config reload
check "  it goes on by itself" wait_until 60 has_clean
check "  in one image" wait_settled a 60
check "  with both" wait_settled b 60
before=$(field a epochs_clean)
sim-ctl write b 0 4096 6
check "  again and again" wait_until 60 has_clean "$before"
goes a two
check "torn apart again" replicactl config reload
check "  it is in error again" wait_until 60 field_is b state error
stop_daemon
rm "$scratch_dir"/conf.d/*
ln -s . "$scratch_dir/link"
for v in a b; do
	printf '[volume %s]\ngroup=g\ninterval=20ms\ntarget=stage:%s/own/%s%s\n' \
		$v "$scratch_dir$([ $v = a ] || echo /link)" $v \
		"?base=$scratch_dir/$v.own" >"$scratch_dir/conf.d/$v.conf"
done
mkdir "$scratch_dir/own"
start_daemon
check "a folder is one, whatever it is called" wait_until 60 has_clean
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: two versions of dm-replica that do not
# understand each other would write over what the other has, or stop without a
# word of what to do. Between them stands who makes one look like a version to come.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-staged.sh"
both="both sites must have the newer dm-replica"

uri_of() {
	echo "nbd+unix:///a?socket=$scratch_dir/way"
}

# meet WHAT: from now on, later-peer.py
meet() {
	echo "$1" >"$scratch_dir/what"
	[ -z "${relay_pid-}" ] || kill_pid $relay_pid
	rm -f "$scratch_dir/way"
	"$python" "$test_dir/later-peer.py" "$scratch_dir/way" \
		"$scratch_dir/a.nbd" "$scratch_dir/what" \
		2>>"$scratch_dir/relay.log" &
	relay_pid=$!
	cleanup_fn kill_pid $relay_pid
	wait_until 60 test -S "$scratch_dir/way" ||
		bail "no relay: $(cat "$scratch_dir/relay.log")"
}

# Of what the two have, all but the session.
state_of_both() {
	jq 'del(.attaches, .closed)' "$state_dir/a.id"
	image "$scratch_dir/there" && sha256sum <"$scratch_dir/there"
	sim-ctl get a last_committed
}

is_refused() {
	field_is a state error && field a reason | grep -qE -- "$1"
}

# refused WHAT REGEX: both stay as they were
refused() {
	local before
	before=$(state_of_both)
	meet "$1"
	[ "$(field a state)" != error ] || replicactl resume a
	sim-ctl write a $((1048576 * 5)) 65536 $RANDOM
	check "$1: it is refused in words" wait_until 60 is_refused "$2" ||
		note "$(field a state): $(field a reason)"
	check "  with a next step" test -n "$(field a next_step)"
	check "  both are as they were" diff <(state_of_both) \
		<(echo "$before")
	is "  and what is written is kept in mind" \
		"$(($(field a dirty_bytes) >= 65536))" 1
}

make_volume a
start_stage history=1h
meet ""
begin_config
configure a retry_max=500ms
start_daemon
check "both of one version" equals
refused header "version 77, this is for version 1: $both"
meet ""
check "  then it goes on by itself" equals
refused features "needs features 0x10000000000, .* here: $both"
refused hello "refuses the hello, its site's log says why"
check "  and there it is said" says \
	"error: a: header: format version 77, this is for version 1: $both"
meet ""
check "  then it can be resumed" replicactl resume a
check "  then it goes on" equals

# Its site has been run by a newer version, and got the old one again.
stop_plugin
segment=$(find "$stage_dir" -name '*.seg' | sort | tail -n 1)
cp "$segment" "$scratch_dir/segment"
primary <<EOP
with open("$segment", "r+b") as f:
    block = later(f.read(4096))
    f.seek(0)
    f.write(block)
EOP
cp -r "$stage_dir" "$scratch_dir/stage.before"
start_stage history=1h
refuses "a log of a version to come: it is not served" "." \
	image "$scratch_dir/there"
check "  it is said why" says "of a newer format"
sim-ctl write a 0 65536 5
check "  the primary says that it waits" wait_until 60 field_is a state connecting
note "$(field a reason)"
stop_plugin
check "  it is not changed" diff -r "$stage_dir" "$scratch_dir/stage.before"
cp "$scratch_dir/segment" "$segment"
start_stage history=1h
replicactl resume a
check "with its own version it goes on" equals
stop_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: an operator would believe a replica to be newer
# than it is, at the site that sends or at the one that would have to take over.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

# at_a JQ-CONDITION
at_a() {
	rpc-call status | json_holds --arg n a ".volumes[] | select(.name == \$n) | $1"
}
# at_b FIELD: of its replica, which it is asked for without its replicad
at_b() {
	b replicactl history --target "stage:$stage_dir/a" --json | jq "$1"
}
# lag_at_b: whole seconds
lag_at_b() {
	at_b '.lag_s | floor'
}

replicate_pair
make_epoch 11 0
check "A has sent all" wait_until 60 at_a ".lag_bytes == 0 and .lag_s < 60"
is "B tells what it has" "$(at_b .last_committed)" "$epoch"

# Its own replicad tells it, too, of what it receives
replica() {
	b replicactl status a --replicas --json | jq -r ".replicas[0] | $1"
}
is "so does its status" "$(replica '"\(.volume) \(.pair) \(.last_committed)"')" \
	"a p $epoch"
check "  with the lag, in seconds" test "$(replica '.lag_s < 60')" = true
is "  and in bytes" "$(replica .lag_bytes)" 0
b replicactl status >"$scratch_dir/says"
check "  in words, below the volumes" eval \
	'grep -q "^a  *p  *ok  *[0-9].* $epoch " "$scratch_dir/says" &&
	grep -q "^No volume is replicated" "$scratch_dir/says"'
is "  their names" "$(b replicactl status --replicas --names)" a
refuses "who asks for it as for a volume is led there" "status a --replicas" \
	b replicactl status a
refuses "what no pair has is not there" "no pair of this site" \
	b replicactl status u --replicas
is "A keeps none" "$(replicactl status --replicas)" "No pair of this site has a replica."

# Nothing comes through: it grows at A, in time and in bytes.
kill_b
sim-ctl write a 0 1048576 77
check "what is not sent counts, in bytes" wait_until 60 \
	at_a ".lag_bytes >= 1048576 and .lag_bytes < 2097152"
check "and in seconds" wait_until 60 at_a ".lag_s >= 3"
start_b
check "when it is there the lag is gone" wait_until 60 \
	at_a ".lag_bytes == 0 and .lag_s < 60"
check "and at B, too" wait_until 60 eval '[ "$(lag_at_b)" -lt 60 ]'

# What A has not sent is known at B, too, as of A's last word.
may_send() {
	sed -i "/^bandwidth=/d; /^window=/d; s/^target=.*/&\nbandwidth=$1\nwindow=64KiB/" \
		"$scratch_dir/conf"
	replicactl config reload >/dev/null || bail "no reload"
}
is "B knows of nothing that it lacks" "$(at_b .lag_bytes)" 0
may_send 8KiB
replicactl pause a >/dev/null || bail "no pause"
sim-ctl write a 0 1048576 78
replicactl resume a >/dev/null || bail "no resume"
check "B is told what A has for it, in bytes" wait_until 60 \
	eval '[ "$(at_b .lag_bytes)" -gt 262144 ]'
is "  and as of when" "$(at_b '.lag_bytes_time > .time - 3600')" true
check "  in words, too" eval \
	'b replicactl history --target "stage:$stage_dir/a" | grep "^not sent: [0-9]"'
check "a part comes" wait_until 60 \
	eval '[ "$(at_b ".last_partial > .last_committed")" = true ]'
replicactl pause a >/dev/null || bail "no pause"
check "  and no more" wait_until 60 field_is a state paused
is "  what it leaves is told as well" "$(at_b .lag_bytes)" \
	$(($(sim-ctl get a dirty) * 4096))
check "  which is something" [ "$(at_b .lag_bytes)" -gt 65536 ]
replicactl resume a >/dev/null || bail "no resume"
may_send 0
check "when it has come nothing is left" wait_until 60 \
	eval '[ "$(at_b .lag_bytes)" = 0 ]'

# Nobody sends: it grows at B, which knows of no more than that.
lose_a
was=$(lag_at_b)
check "B's lag grows when nobody sends" wait_until 60 \
	eval '[ "$(lag_at_b)" -ge $((was + 3)) ]'
b_stops_cleanly
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: with sites whose clocks differ, a failover
# would call lost seconds "0 s", or "at most" what they are not; and where the
# primary's clock was set back, its replica would seem to be as old as that.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-pair.sh"
. "$(dirname "$0")/lib-failover.sh"

day=86400
shift_so=$top_dir/build/tests/shift-clock.so
[ -e "$shift_so" ] || skip_all "needs $shift_so"

# clock_at DIR SECONDS: that site's clock is ahead of this machine's by that
clock_at() {
	printf '%-15s' "$2" | dd of="$1/clock" conv=notrunc status=none
}

clock_of_a() {
	clock_at "$scratch_dir" "$1"
}

replicad-sim() {
	DMR_CLOCK=$SIM_DIR/clock LD_PRELOAD=$shift_so exec replicad-sim "$@"
}

# cost EXPRESSION: of a failover now
cost() {
	b replicactl failover a --dry-run --json >"$scratch_dir/cost" &&
		json_holds "$1" <"$scratch_dir/cost"
}

says() {
	b replicactl failover a --dry-run | grep -E "$1"
}

# An invitation lasts as long as it says, whatever the clocks do.
clock_of_a $day
clock_at "$site_b" 0
replicate_pair
invite_more() {
	local port
	choose_port
	mkdir "$site_b/$1"
	b replicactl pair invite "$@" --address "127.0.0.1:$port" \
		--listen 127.0.0.1 --dir "$site_b/$1" >"$scratch_dir/token" ||
		bail "no invitation"
}
invite_more soon --expires 2s
clock_at "$site_b" -$day
check "an invitation ends, though B's clock was set back" wait_until 60 eval \
	'[ -z "$(b_pair soon state)" ]'
invite_more later
clock_at "$site_b" $day
check "one does not, though it was set a day ahead" join_pair later
b replicactl pair revoke later >/dev/null || bail "the pair stays"
replicactl pair revoke later >/dev/null || bail "the pair stays here"
clock_at "$site_b" 0
clock_of_a 0
make_epoch 11 0
check "clocks that agree: a few seconds, at most" \
	cost '.clock_ahead_s < 1 and .lost_s < 3000'
check "in words" says 'lost, at most: .* by the clocks of both'

before=$epoch
clock_of_a $day
make_epoch 12 0
check "A's is a day ahead: that is known" cost \
	".clock_ahead_s > $day - 3000 and .clock_ahead_s < $day + 1"
check "what is lost is counted from when the epoch came" cost \
	'.lost_s > 0 and .lost_s < 3000'
check "it is not told as the most" says \
	'lost: what .* or more: the clocks of the sites differ'
check "nor is the age of the image" eval 'replicactl history a --json |
	json_holds ".lag_s == null and .clock_ahead_s > 80000"'
check "in words" eval 'replicactl history a | grep -E "^image: epoch .* is ahead of the"'

# picked TIME: the epoch that a failover would take
picked() {
	b replicactl failover a --dry-run --json --at "@$1" | jq .epoch
}

# A time is one of the primary's clock, by which epochs are cut.
now=$(date +%s)
is "--at: by A's clock, now was before that epoch" "$(picked $((now + 600)))" \
	"$before"
is "  and it is the newest a day from now" "$(picked $((now + day + 600)))" \
	"$epoch"

# An hour back, and idle: what B shows follows the heartbeats.
clock_of_a $((day - 3600))
now=$(date +%s)
check "A's clock is set back: B shows what it says now" wait_until 60 eval '
	replicactl history a --json | json_holds \
	".cut_time >= $now + 82800 and .cut_time < $now + 85800"'

clock_of_a -$day
make_epoch 13 0
check "A's is a day behind: the most is a day" cost \
	".clock_ahead_s == 0 and .lost_s >= $day - 1"
check "in words" says 'lost, at most: .* by the clocks of both'
check "and when it came, by B's" cost \
	".commit_time > .cut_time + $day - 1 and .commit_time <= now"

# A's own clock is set while B is away: the lag at A is what has passed.
# lag_is SECONDS SECONDS: at least, and less than that
lag_is() {
	rpc-call status | json_holds ".volumes[0].lag_s | . >= $1 and . < $2"
}

kill_b
sim-ctl write a 0 4096 5
check "what was written waits for B" wait_until 60 lag_is 0.5 3000
for shift in 0 -$day; do
	clock_of_a $shift
	check "A's clock is set: its lag is what has passed" wait_until 60 \
		lag_is 0.5 3000
	check "  and rises" wait_until 60 lag_is 2.5 3000
done
start_b
wait_settled a 60 || bail "B is not back"

clock_of_a $day
make_epoch 14 0
lose_a
b replicactl failover a --force --json >"$scratch_dir/cost"
is "a failover" $? 0
known='.clock_ahead_s > 80000 and .lost_s > 0 and .lost_s < 3000'
tells_it() {
	json_holds "$known" <"$scratch_dir/cost"
}
check "tells the same" tells_it
kill_b
start_b
check "and does after a restart" wait_until 60 eval \
	'b rpc-call status | json_holds ".volumes[] | select(.name == \"a\") |
		.state == \"promoted\" and $known"'
b_stops_cleanly
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=900
#
# The link of wan.sh, 100 ms there and back, one packet in 1,000 lost, 100 Mbit/s,
# without an emulated processor at its ends: the kernel side is simulated,
# long-link takes the place of netem.
#
#   wan-sim-bbr      MB/s while a replica catches up with CATCH_UP_MIB of random
#                    data, next to what the link carries at most; median of ROUNDS
#   wan-sim-cubic    the same, congestion=cubic connections=16
#   wan-sim-nbdcopy  what nbdcopy reaches, with as many connections and the
#                    machine's own congestion control
[ -n "${DMR_NETNS-}" ] || exec unshare --net env DMR_NETNS=1 "$0"
. "$(dirname "$0")/common"
. "$(dirname "$0")/../lib-native.sh"
requires_cmd ip unshare nsenter nbdkit nbdcopy
CATCH_UP_MIB=${CATCH_UP_MIB:-384} MIB=$((CATCH_UP_MIB + 32)) ROUNDS=${ROUNDS:-3}
LOSS=${LOSS:-1000} DELAY=${DELAY:-50} RATE=100e6
# 1,448 of 1,514 bytes of a frame are data.
LINK=$(awk -v rate=$RATE 'BEGIN { print rate / 8 / 1e6 * 1448 / 1514 }')

# Our network namespace is one end, that of $there the other.
unshare --net sleep infinity &
there=$!
cleanup_fn kill_pid $there
long-link here there $RATE "$DELAY" "$LOSS" 1 >"$scratch_dir/link" &
cleanup_fn kill_pid $!
wait_until 10 grep -q ready "$scratch_dir/link" || bail "no link"
moved() {
	ip link set there netns $there 2>/dev/null
}
wait_until 10 moved || bail "no other namespace"
over_there() {
	nsenter --net --target $there "$@"
}
{
	ip addr add 192.0.2.1/30 dev here && ip link set here up &&
		ip link set lo up &&
		over_there ip addr add 192.0.2.2/30 dev there &&
		over_there ip link set there up
} || bail "the link can't be set up"
nsenter --net --target $there nbdkit -f -i 192.0.2.2 --threads=16 \
	memory $((MIB + 1))M 2>"$scratch_dir/nbdkit.log" &
cleanup_fn kill_pid $!
uri=nbd://192.0.2.2:10809
wait_until 20 nbdinfo --size $uri || bail "no nbdkit"

# rate_of COMMAND...: MB/s
rate_of() {
	local start=$EPOCHREALTIME
	"$@" >/dev/null || bail "$1"
	echo "$start $EPOCHREALTIME" | awk -v b=$((CATCH_UP_MIB << 20)) \
		'{ print b / ($2 - $1) / 1e6 }'
}

head -c $((CATCH_UP_MIB << 20)) /dev/urandom >"$scratch_dir/data"
for ((i = 0; i < ROUNDS; i++)); do
	rate_of nbdcopy --connections=4 --request-size=262144 \
		"$scratch_dir/data" $uri >>"$scratch_dir/nbdcopy"
done
catch_up() {
	rpc-call resume '{"volume":"vol"}' && wait_until 300 settled vol
}
for algorithm in cubic bbr; do
	connections=4
	[ $algorithm = bbr ] || connections=16
	sim-ctl create vol $((MIB << 20)) || bail "no volume"
	begin_config
	configure vol target=$uri tls=off congestion=$algorithm \
		connections=$connections overwrite=yes
	start_daemon
	wait_until 60 settled vol || bail "not settled"
	for ((i = 0; i < ROUNDS; i++)); do
		rpc-call pause '{"volume":"vol"}' >/dev/null
		sim-ctl write vol 0 $((CATCH_UP_MIB << 20)) $i || bail "write"
		rate_of catch_up >>"$scratch_dir/$algorithm"
	done
	stop_daemon
	rm -f "$scratch_dir"/vol.*
done

for f in bbr cubic nbdcopy; do
	rate=$(median <"$scratch_dir/$f")
	row wan-sim-$f "$rate" MB/s "the link" "$LINK" \
		"$(quotient "$rate" "$LINK")"
	echo "$f: $(tr '\n' ' ' <"$scratch_dir/$f")"
done
test_finished=0
exit 0

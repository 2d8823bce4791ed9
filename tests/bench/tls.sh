#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=200
#
# The NBD client in TLS (a pre-shared key) against nbdcopy in TLS, to nbdkit's
# null plugin over TCP on this machine: a file in the page cache, 256 KiB
# requests, 4 connections.
#
#   tls-bulk   MB/s; runs alternate, the figures are medians of ROUNDS
set -euo pipefail
ROUNDS=${ROUNDS:-5}
MIB=${MIB:-512}
here=$(dirname "$(readlink -f "$0")")
bench=$here/../../build/tests/bench/ship-bench
dir=$(mktemp -d)
server=
stop() {
	[ -z "$server" ] || { kill "$server"; wait "$server" || :; } 2>/dev/null
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 143' TERM INT

port=$((20000 + RANDOM % 10000))
uri="nbds://me@127.0.0.1:$port/?tls-psk-file=$dir/keys"
echo "me:00112233445566778899aabbccddeeff" >"$dir/keys"
nbdkit -f --exit-with-parent -i 127.0.0.1 -p $port --tls=require \
	--tls-psk="$dir/keys" null "size=${MIB}M" &
server=$!
for _ in $(seq 100); do
	nbdinfo --size "$uri" >"$dir/size" 2>"$dir/why" && break
	sleep 0.1
done
head -c "${MIB}M" /dev/urandom >"$dir/source"

# rate of bytes and seconds, to a file
ours() {
	"$bench" -F "$dir/source" -c 4 "$uri" >"$dir/out"
	awk -F '[= ]' '{ print $2 / $6 / 1e6 }' "$dir/out" >>"$1"
}

peer() {
	local TIMEFORMAT=%R
	{ time nbdcopy --connections=4 --request-size=262144 "$dir/source" \
		"$uri"; } 2>"$dir/out"
	awk -v m="$MIB" '{ print m * 1.048576 / $1 }' "$dir/out" >>"$1"
}

median() {
	sort -g "$1" | awk '{ v[NR] = $1 }
		END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

peer "$dir/warm-up"
for _ in $(seq "$ROUNDS"); do
	ours "$dir/ours"
	peer "$dir/peer"
done
jq -cn --argjson value "$(median "$dir/ours")" \
	--argjson peer_value "$(median "$dir/peer")" \
	'{name: "tls-bulk", value: $value, unit: "MB/s", peer: "nbdcopy, TLS",
	  peer_value: $peer_value, ratio: ($value / $peer_value)}'

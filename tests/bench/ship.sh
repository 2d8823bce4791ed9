#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
#
# The shipping engine (pump and NBD client) against its peers, outside a VM, to
# nbdkit on a Unix socket:
#
#   ship-scattered-null   4 KiB writes, every second chunk, one connection, depth
#                         64; fio's nbd engine at the same depth
#   ship-bulk-null        a file in the page cache, 256 KiB requests, 4
#   ship-bulk-memory      connections; nbdcopy with the same. Ours maps the file:
#                         as with O_DIRECT, which a volume is read with, the data
#                         is in memory without being copied
#   ship-cpu              CPU seconds of the client for each GiB of ship-bulk-null;
#                         a ratio below 1 is better than nbdcopy
#   …-read                the same, the file being read: one copy more
#
# Ours and the peer's runs alternate; the figures are medians of ROUNDS.
set -euo pipefail
ROUNDS=${ROUNDS:-7}
MIB=${MIB:-1024}
here=$(dirname "$(readlink -f "$0")")
bench=$here/../../build/tests/bench/ship-bench
dir=$(mktemp -d)
server=
stop() {
	[ -z "$server" ] || { kill "$server"; wait "$server" || :; } 2>/dev/null
	server=
}
trap 'stop; rm -rf "$dir"' EXIT
trap 'exit 143' TERM INT

serve() {
	stop
	rm -f "$dir/sock"
	nbdkit -f --exit-with-parent -U "$dir/sock" "$1" "size=${MIB}M" &
	server=$!
	for _ in $(seq 100); do
		grep -q " 00010000 .*$dir/sock" /proc/net/unix && return
		sleep 0.05
	done
	echo "nbdkit $1 does not start"
	exit 1
}
uri="nbd+unix:///?socket=$dir/sock"
source=$dir/source

median() {
	sort -g "$1" | awk '{ v[NR] = $1 }
		END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# name unit peer file file-of-the-peer
report() {
	jq -cn --arg name "$1" --arg unit "$2" --arg peer "$3" \
		--argjson value "$(median "$4")" \
		--argjson peer_value "$(median "$5")" \
		'{name: $name, value: $value, unit: $unit, peer: $peer,
		  peer_value: $peer_value, ratio: ($value / $peer_value)}'
}

# Appends to $1: requests a second; to $2: MB/s; to $3: CPU s/GiB.
ours() {
	local iops=$1 rate=$2 cpu=$3
	shift 3
	"$bench" "$@" "$uri" >"$dir/out"
	awk -F '[= ]' '{ print $4 / $6 }' "$dir/out" >>"$iops"
	awk -F '[= ]' '{ print $2 / $6 / 1e6 }' "$dir/out" >>"$rate"
	awk -F '[= ]' '{ print $8 / $2 * 1073741824 }' "$dir/out" >>"$cpu"
}

fio_iops() {
	fio --name=x --ioengine=nbd --uri="$uri" --rw=randwrite --bs=4k \
		--iodepth=64 --size="${MIB}M" --time_based --runtime=1500ms \
		--output-format=terse | tail -n 1 | cut -d ';' -f 49 >>"$1"
}

nbdcopy_run() {
	local TIMEFORMAT='%R %U %S'
	{ time nbdcopy --connections=4 --request-size=262144 "$source" \
		"$uri"; } 2>"$dir/out"
	awk -v m="$MIB" '{ print m * 1.048576 / $1 }' "$dir/out" >>"$1"
	awk -v m="$MIB" '{ print ($2 + $3) / m * 1024 }' "$dir/out" >>"$2"
}

scattered() {
	serve null
	fio_iops "$dir/warm-up"
	for _ in $(seq "$ROUNDS"); do
		ours "$dir/s.ours" "$dir/rate" "$dir/cpu" -s -q 64 -m $((64 << 20)) \
			-t 1500
		fio_iops "$dir/s.fio"
	done
	report ship-scattered-null IOPS "fio ioengine=nbd" "$dir/s.ours" \
		"$dir/s.fio"
}

bulk() {
	serve "$1"
	nbdcopy_run "$dir/warm-up" "$dir/warm-up"
	for _ in $(seq "$ROUNDS"); do
		ours "$dir/iops" "$dir/$1.ours" "$dir/$1.cpu" -F "$source" -c 4
		nbdcopy_run "$dir/$1.copy" "$dir/$1.copy-cpu"
		ours "$dir/iops" "$dir/$1.read" "$dir/$1.read-cpu" \
			-f "$source" -c 4
	done
	report "ship-bulk-$1" MB/s nbdcopy "$dir/$1.ours" "$dir/$1.copy"
	report "ship-bulk-$1-read" MB/s nbdcopy "$dir/$1.read" "$dir/$1.copy"
}

# cpu NAME FILE
cpu() {
	report "$1" "CPU s/GiB" nbdcopy "$dir/$2" "$dir/null.copy-cpu"
}

scattered
head -c "${MIB}M" /dev/urandom >"$source"
bulk null
cpu ship-cpu null.cpu
cpu ship-cpu-read null.read-cpu
bulk memory

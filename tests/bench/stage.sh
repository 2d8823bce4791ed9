#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=600
#
# What the plugin takes in, against nbdkit's file plugin: both on tmpfs, on a Unix
# socket, at the same connections and depth, each time into a new file or log.
# One epoch from its open header to the answer to its commit, and for the file
# the same writes and a flush.
#
#   stage-bulk        256 KiB in sequence, 4 connections, depth 4
#   stage-scattered   4 KiB at random places, 4 connections, depth 16
#   …-parallel        with parallel=yes. Else, before nbdkit 1.34, our plugin takes
#                     one request of a connection at a time: the file plugin's many
#   …-cpu             CPU seconds of the server for each GiB; a ratio below 1 is
#                     better than the file plugin
#
# and of the stage in its library, without a network:
#
#   stage-amplification  bytes written, log and base, for each byte taken in
#   apply-bulk        MiB/s from the log to the base, against cp
#   stage-commit      ms of a commit of MIB / 16 that came at 60 MiB/s, on the file
#                     system of this tree; the peer is a sync of a plain file. A
#                     ratio below 1 is better
#   stage-recover     seconds to open a log of MIB in 4 KiB records; the peer value
#                     is what is promised for 1 GiB
#   stage-index       bytes of memory for each record
#
# Ours and the peer's runs alternate; the figures are medians of ROUNDS.
set -euo pipefail
ROUNDS=${ROUNDS:-5}
MIB=${MIB:-1024}
here=$(dirname "$(readlink -f "$0")")
top=$(readlink -f "$here/../..")
bench=$top/build/tests/bench
dir=$(mktemp -d -p /dev/shm)
disk=$(mktemp -d -p "$top/build")
server=
stop() {
	[ -z "$server" ] || { kill "$server"; wait "$server" || :; } 2>/dev/null
	server=
}
trap 'stop; rm -rf "$dir" "$disk"' EXIT
trap 'exit 143' TERM INT

# serve ARGUMENT...: nbdkit
serve() {
	stop
	rm -f "$dir/sock"
	nbdkit -f --exit-with-parent -U "$dir/sock" "$@" 2>"$dir/log" &
	server=$!
	for _ in $(seq 200); do
		grep -q " 00010000 .*$dir/sock" /proc/net/unix && return
		sleep 0.05
	done
	echo "nbdkit $1 does not start: $(cat "$dir/log")"
	exit 1
}
uri="nbd+unix:///?socket=$dir/sock"

median() {
	sort -g "$1" | awk '{ v[NR] = $1 }
		END { print (v[int((NR + 1) / 2)] + v[int(NR / 2) + 1]) / 2 }'
}

# row NAME VALUE UNIT PEER PEER_VALUE
row() {
	jq -cn --arg name "$1" --argjson value "$2" --arg unit "$3" \
		--arg peer "$4" --argjson peer_value "$5" \
		'{name: $name, value: $value, unit: $unit, peer: $peer,
		  peer_value: $peer_value, ratio: ($value / $peer_value)}'
}

# CPU seconds of the server so far
server_cpu() {
	local stat
	read -r stat <"/proc/$server/stat"
	awk -v hz="$(getconf CLK_TCK)" '{ print ($12 + $13) / hz }' \
		<<<"${stat##*)}"
}

# load FILE ARGUMENT...: appends MB/s to FILE, CPU s/GiB of the server to FILE-cpu
load() {
	local out=$1 before
	shift
	before=$(server_cpu)
	"$bench/nbd-bench" -n $((MIB << 20)) "$@" "$uri" >"$dir/out"
	awk '{ print $3 * 1000 }' "$dir/out" >>"$out"
	awk -v m="$MIB" -v a="$before" -v b="$(server_cpu)" \
		'BEGIN { print (b - a) / m * 1024 }' >>"$out-cpu"
}

to_file() {
	rm -f "$dir/file"
	truncate -s "${MIB}M" "$dir/file"
	serve file "$dir/file"
	load "$1" -t 600000 -f "${@:2}"
	stop
	rm -f "$dir/file"
}

# to_stage FILE auto|yes ARGUMENT...
to_stage() {
	mkdir "$dir/stage"
	serve "$top/daemon/nbdkit-replica-plugin.so" dir="$dir/stage" \
		"create=vol:${MIB}MiB:$dir/stage/vol.base" history=1h \
		"parallel=$2"
	load "$1" -e "${@:3}"
	stop
	rm -rf "$dir/stage"
}

# ingest NAME ARGUMENT...
ingest() {
	for _ in $(seq "$ROUNDS"); do
		to_stage "$dir/$1.ours" auto "${@:2}"
		to_file "$dir/$1.file" "${@:2}"
		to_stage "$dir/$1.parallel" yes "${@:2}"
	done
	row "$1" "$(median "$dir/$1.ours")" MB/s "nbdkit file" \
		"$(median "$dir/$1.file")"
	row "$1-parallel" "$(median "$dir/$1.parallel")" MB/s "nbdkit file" \
		"$(median "$dir/$1.file")"
	row "$1-cpu" "$(median "$dir/$1.ours-cpu")" "CPU s/GiB" "nbdkit file" \
		"$(median "$dir/$1.file-cpu")"
}

# The source of cp is in the page cache, as the log is.
copy() {
	local start end
	rm -f "$dir/copy"
	start=$(date +%s.%N)
	cp --sparse=never --reflink=never "$dir/source" "$dir/copy"
	end=$(date +%s.%N)
	rm -f "$dir/copy"
	awk -v m="$MIB" -v a="$start" -v b="$end" \
		'BEGIN { print m / (b - a) }' >>"$1"
}

apply() {
	head -c "${MIB}M" /dev/zero | tr '\0' x >"$dir/source"
	for _ in $(seq "$ROUNDS"); do
		mkdir "$dir/stage"
		"$bench/stage-bench" "$dir/stage" apply "$MIB" >"$dir/out"
		rm -rf "$dir/stage"
		awk '/^apply: .*ampl/ { print $2 }' "$dir/out" >>"$dir/apply.ours"
		awk '/^apply: .*ampl/ { print $5 }' "$dir/out" >>"$dir/ampl"
		copy "$dir/apply.cp"
	done
	rm "$dir/source"
	row apply-bulk "$(median "$dir/apply.ours")" MiB/s cp \
		"$(median "$dir/apply.cp")"
	row stage-amplification "$(median "$dir/ampl")" ratio promised 2.1
}

# paced MODE: appends the ms of its commits to MODE
paced() {
	"$bench/stage-bench" "$disk" "$1" $((MIB / 4)) >"$dir/out"
	rm -rf "${disk:?}"/*
	awk '/commit/ { print $5 * 1000 }' "$dir/out" >>"$dir/$1"
}

commits() {
	for _ in $(seq "$ROUNDS"); do
		paced paced
		paced file-paced
	done
	row stage-commit "$(median "$dir/paced")" ms "a file's sync" \
		"$(median "$dir/file-paced")"
}

recover() {
	mkdir "$dir/stage"
	"$bench/stage-bench" "$dir/stage" scattered "$MIB" >"$dir/out"
	for _ in $(seq "$ROUNDS"); do
		"$bench/stage-bench" "$dir/stage" recover >"$dir/out"
		awk '{ print $2 }' "$dir/out" >>"$dir/recover"
	done
	rm -rf "$dir/stage"
	row stage-recover "$(median "$dir/recover")" s promised 3
	row stage-index "$(awk -v m="$MIB" '{ print $7 / (m * 256) }' \
		"$dir/out")" "bytes/record" promised 64
}

ingest stage-bulk -b 262144 -c 4 -q 4
ingest stage-scattered -b 4096 -c 4 -q 16 -r
apply
commits
recover

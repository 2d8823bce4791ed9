#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The module's whole promise: if this fails, a clean epoch is no image that a
# crash could have left, or a chunk was forgotten. Chains of dependent writes
# over two volumes of a group; every clean epoch is checked.
# DMR_SOAK_SECONDS=N makes each round that long.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
seconds=${DMR_SOAK_SECONDS:-25}

ship() {
	timeout $(((seconds + 100) * ${DMR_SLOW:-1})) oracle-ship --seconds "$seconds" "$@" \
		>"$scratch_dir/ship" 2>&1 && return
	cat "$scratch_dir/ship"
	return 1
}

# round DESCRIPTION MIB "WRITER OPTIONS" "SHIP OPTIONS" [TARGET OPTION...]
nr=0
round() {
	local what=$1 mib=$2 writer=$3 ship=$4 a=a$((++nr)) b=b$nr
	shift 4
	make_plain_volume $a $mib "$@"
	make_plain_volume $b $((mib - 3)) "$@"
	ship_specs $a $b
	# shellcheck disable=SC2086
	start_writer --seed $nr $writer -- $a $b
	# shellcheck disable=SC2086
	check "$what" ship --seed $nr --group $nr $ship "$oracle_state" \
		"${specs[@]}"
	check_writer "  and no write failed"
	note "$(grep -h 'cuts=' "$scratch_dir/ship")"
}

round "small writes, as many cuts as possible" 8 \
	"--chains 4 --max 8192 --pause 200" "--batch 256"
round "with aborts, keeps, fuzzy cuts, zeros, NOWAIT, FUA and flushes" 8 \
	"--chains 6 --max 65536 --zero 10 --durable 5 --flush 3 --nowait 30" \
	"--abort 15 --keep 15 --fuzzy 15"
round "writes up to 1 MiB, read slowly, a pool so small that epochs degrade" 40 \
	"--chains 4 --pause 1000" \
	"--abort 5 --keep 5 --delay 3000 --pause 100 --degraded 1" \
	preserve_pages 64
round "large chunks, many chains" 8 \
	"--chains 16 --max 16384 --zero 5 --pause 500" "--abort 10 --delay 2000" \
	chunk_size 128 region_size 8192
check_dmesg
finish

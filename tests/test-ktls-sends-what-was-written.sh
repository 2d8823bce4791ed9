#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: where the kernel has TLS it would not be
# used; or with it a replica would not be what was written, by some cipher, or
# after connections were cut in the midst of a record.
# lab: timeout=900
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_cmd certtool ss
modprobe -q tls || skip_all "this kernel has no module tls"
nr_cuts=${DMR_SOAK_SECONDS:-4}

# kernel_tls COUNTER: see Documentation/networking/tls.rst
kernel_tls() {
	awk -v k="$1" '$1 == k { print $2 }' /proc/net/tls_stat
}

# rose COUNTER BY FROM
rose() {
	local now
	now=$(kernel_tls "$1")
	[ "$now" -ge $(($3 + $2)) ] || { echo "$1: from $3 to $now"; return 1; }
}

# cut NAME NBDKIT-ARGUMENT...: the server is killed while an epoch is under way,
# and comes back on the same port
cut() {
	local name=$1 i storm
	shift
	for ((i = 0; i < nr_cuts; i++)); do
		sim-ctl storm "$name" 400 $i 500 2048 &
		storm=$!
		wait_until 60 is_shipping "$name" || bail "nothing is sent"
		kill_pid "$target_pid"
		wait $storm
		serve_tcp "$port" "$@" || bail "the server does not come back"
	done
}

is_shipping() {
	[ "$(field "$1" epoch)" != 0 ]
}

# Of the plugin, the image is what it gives.
fetch_image() {
	nbdcopy "nbds://me@127.0.0.1:$port/a?tls-psk-file=$scratch_dir/keys" \
		"$scratch_dir/a.target"
}

check "every cipher, and what servers say beside their answers" \
	"$top_dir/build/san/tests/unit-nbd-ktls"
echo "me:00112233445566778899aabbccddeeff" >"$scratch_dir/keys"
make-certificates "$scratch_dir/pki" || bail "no certificates"

begin_config
port=$((20000 + RANDOM % 5000))
make_volume a
plugin=("$plugin_so" "dir=$stage_dir" --tls=require
	--tls-psk="$scratch_dir/keys"
	"create=a:${native_mib}MiB:$scratch_dir/a.base")
serve_tcp "$port" "${plugin[@]}" || bail "no plugin"
configure a "target=nbds://me@127.0.0.1:$port/a?tls-psk-file=$scratch_dir/keys"
before=$(kernel_tls TlsTxSw)
start_daemon
check "a key, and our plugin" wait_settled a 120
check "  the kernel sends" rose TlsTxSw 4 "$before"
is "  it is told" "$(field a tls)" kernel
cut a "${plugin[@]}"
check "  connections were cut under load" wait_settled a 120
check "  the replica is the volume" eval "fetch_image && same_image a"
stop_daemon
is "  a clean stop" $? 0
kill_pid "$target_pid"

begin_config
make_volume b
x509=(--tls=require --tls-certificates="$scratch_dir/pki" --tls-verify-peer)
start_tcp_target b "${x509[@]}"
configure b "target=nbds://127.0.0.1:$port/?tls-certificates=$scratch_dir/pki"
before=$(kernel_tls TlsTxSw)
start_daemon
check "certificates, and a file" replica_equals b 120
check "  the kernel sends" rose TlsTxSw 4 "$before"
cut b file "$scratch_dir/b.target" "${x509[@]}"
check "  the replica is the volume after cuts under load" replica_equals b 120
is "  several connections" "$(field b connections)" 4
is "  it is told" "$(field b tls)" kernel
stop_daemon
is "  a clean stop" $? 0

is "what comes is GnuTLS's" "$(kernel_tls TlsRxSw)" 0
is "no socket is left behind" "$(kernel_tls TlsCurrTxSw)" 0
note "$(grep -v ' 0$' /proc/net/tls_stat | tr -s ' \t\n' ' ')"
finish

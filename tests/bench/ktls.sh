#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: vm mem=2048 timeout=600
#
# The NBD client in TLS (a pre-shared key) to nbdkit's null plugin, 256 KiB
# requests, 4 connections, a mapped file: once the kernel encrypts what is sent
# (module tls), once GnuTLS does.
#
#   ktls       MB/s of the kernel's, next to GnuTLS's; runs alternate, the
#              figures are medians of ROUNDS
#   ktls-cpu   CPU seconds of the client for each GiB; below 1 is better
. "$(dirname "$0")/common"
requires_cmd nbdkit nbdinfo ship-bench
MIB=64 ROUNDS=5

# Nothing but we loads it.
tls_ko=$(modinfo -n tls) || bail "this kernel has no module tls"
echo "install tls /bin/false" >/etc/modprobe.d/bench-ktls.conf
! grep -qw ^tls /proc/modules || rmmod tls || bail "tls is in use"

port=10809
echo "me:00112233445566778899aabbccddeeff" >"$scratch_dir/keys"
uri="nbds://me@127.0.0.1:$port/?tls-psk-file=$scratch_dir/keys"
nbdkit -f -i 127.0.0.1 -p $port --tls=require --tls-psk="$scratch_dir/keys" \
	null "size=${MIB}M" &
cleanup_fn kill $!
wait_until 60 nbdinfo --size "$uri" || bail "no nbdkit"
head -c "${MIB}M" /dev/urandom >"$scratch_dir/source"

# run WHOSE: appends MB/s to WHOSE, CPU s/GiB to WHOSE-cpu
run() {
	ship-bench -F "$scratch_dir/source" -c 4 "$uri" >"$scratch_dir/out" ||
		bail "ship-bench"
	awk -F '[= ]' '{ print $2 / $6 / 1e6 }' "$scratch_dir/out" \
		>>"$scratch_dir/$1"
	awk -F '[= ]' '{ print $8 / $2 * 1073741824 }' "$scratch_dir/out" \
		>>"$scratch_dir/$1-cpu"
}

of() {
	median <"$scratch_dir/$1"
}

run warm-up
for ((i = 0; i < ROUNDS; i++)); do
	run gnutls
	insmod "$tls_ko" || bail "no tls"
	run kernel
	grep -q 'TlsTxSw.*[1-9]' /proc/net/tls_stat ||
		bail "the kernel did not send"
	wait_until 10 rmmod tls || bail "tls stays in use"
done
row ktls "$(of kernel)" MB/s GnuTLS "$(of gnutls)" \
	"$(quotient "$(of kernel)" "$(of gnutls)")"
row ktls-cpu "$(of kernel-cpu)" "CPU s/GiB" GnuTLS "$(of gnutls-cpu)" \
	"$(quotient "$(of kernel-cpu)" "$(of gnutls-cpu)")"
for f in kernel gnutls; do
	echo "$f: $(tr '\n' ' ' <"$scratch_dir/$f")"
done
bench_done

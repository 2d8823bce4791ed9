#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: over a long link the kernel's congestion
# control would be used although another was named, or a wrong name went unnoticed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd ss

# The first that the kernel offers and does not use by itself, else that one.
default=$(cat /proc/sys/net/ipv4/tcp_congestion_control)
available=$(cat /proc/sys/net/ipv4/tcp_available_congestion_control)
other=$default
for name in $available; do
	[ "$name" = "$default" ] || other=$name
done
start_tcp_target a
make_volume a
make_volume b
begin_config
configure a "target=nbd://127.0.0.1:$port/" tls=off congestion="$other"
configure b "target=nbd://127.0.0.1:$port/" tls=off congestion=nonesuch
start_daemon
check "with $other (the kernel's own is $default)" replica_equals a
is "each connection has it" "$(ss -Htin state established "dport = :$port" |
	grep -oE "(^|[[:space:]])($(tr ' ' '|' <<<"$available"))[[:space:]]" |
	tr -d '[:space:]' | sed "s/$other/&,/g")" "$other,$other,$other,$other,"
says() {
	field b reason | grep -q "no congestion control 'nonesuch'"
}
check "a name that the kernel does not know is told" wait_until 60 says
stop_daemon
is "a clean stop" $? 0
finish

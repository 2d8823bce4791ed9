#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a wrong request would crash the daemon, get
# no answer, or change something.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"

answers() {
	rpc-call raw "$1" | grep -qE -- "$2" || { rpc-call raw "$1"; return 1; }
}

# status METHOD PARAMS: the exit status that the refusal carries
status_of() {
	rpc-call "$@" >/dev/null 2>&1
	echo $?
}

make_volume a
start_target a
begin_config
start_daemon
check "no JSON" answers "hello" '"code":-32700.*not JSON'
check "no request" answers '{"id":1}' '"code":-32600'
check "params that are no object" \
	answers '{"id":1,"method":"status","params":3}' '"code":-32600'
check "a method that is none" answers \
	'{"id":7,"method":"frob"}' '"id":7.*no method frob'
is "a volume that is none" "$(status_of pause '{"volume":"x"}')" 3
is "no volume" "$(status_of pause '{}')" 2
is "status of a volume that is none" "$(status_of status '{"volume":"x"}')" 3
is "a name that is none" "$(status_of enable '{"volume":"../x"}')" 2
is "no target" "$(status_of enable '{"volume":"a"}')" 2
is "an option that is none" "$(status_of enable \
	'{"volume":"a","target":"local:/x","options":{"windw":"1"}}')" 2
is "a device that is none" "$(status_of enable \
	'{"volume":"nodev","target":"local:/x"}')" 3
is "a long line ends the connection" \
	"$(rpc-call raw "$(head -c 100000 /dev/zero | tr '\0' x)")" ""
is "nothing was enabled" "$(rpc-call status | jq -r '.volumes|length')" 0
check "it lives" rpc-call status
finish

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
# methods: METHOD PARAMETER..., a line each, as methods.c has them (params.h)
methods() {
	sed -n '/^} methods/,/^};/ { /^\t/p }' "$top_dir/daemon/methods.c" |
		tr -d '\n' | sed 's/},/&\n/g' | grep '^[^{]*{ "' |
		awk -F'"' '{ p = ""; for (i = 4; i <= NF; i += 2) p = p $i
			print $2, p }'
}

# documented: METHOD TEXT, a line each, of the table of control-socket.rst
documented() {
	awk '/^method  /, /^Errors/ {
		word = substr($0, 1, 11); sub(/ +$/, "", word)
		if (word ~ /^[a-z]/) {
			was = is_open ? name : ""
			name = was word
			text[name] = text[was]
			is_open = word ~ /_$/
		}
		text[name] = text[name] substr($0, 13, 45)
	} END { for (n in text) print n, text[n] }' \
		"$top_dir/Documentation/control-socket.rst"
}

# refused METHOD PARAM VALUE REGEX: in words, as a wrong usage
refused() {
	rpc-call raw "{\"id\":1,\"method\":\"$1\",\"params\":{\"$2\": $3}}" \
		>"$scratch_dir/says"
	grep -q '"exit":2' "$scratch_dir/says" &&
		grep -qE -- "$4" "$scratch_dir/says" && return
	echo "$1 $2: $(cat "$scratch_dir/says")"
	return 1
}

refuses_each_slip() {
	local method params p name status=0
	while read -r method params; do
		refused "$method" dry_rum true "$method: .*knows no parameter dry_rum" ||
			status=1
		for p in $params; do
			name=${p%%[?#\{\[]}
			case $p in
			*"?") set -- '"yes"' "true or false" ;;
			*"#") set -- '"7"' "a number" ;;
			*"{") set -- '[]' "an object" ;;
			*"[") set -- '{}' "a list" ;;
			*) set -- 7 "a text" ;;
			esac
			refused "$method" "$name" "$1" \
				"$method: $name is not $2" || status=1
		done
	done < <(methods)
	return $status
}

documents_each() {
	local method params p status=0
	documented >"$scratch_dir/documented"
	while read -r method params; do
		for p in $params; do
			grep "^$method " "$scratch_dir/documented" |
				grep -q "\`\`${p%%[?#\{\[]}\`\`" && continue
			echo "$method $p is not documented"
			status=1
		done
	done < <(methods)
	return $status
}

is "all methods are tried" "$(methods | wc -l)" \
	"$(sed -n '/^} methods/,/^};/p' "$top_dir/daemon/methods.c" |
		grep -c '^.{ "')"
check "an unknown parameter, and each of another type, are refused" \
	refuses_each_slip
check "each is documented" documents_each
check "null is none" rpc-call status '{"volume": null}'
said='"volume":"none","force":true,"pool":null,"host":null'
rpc-call raw "{\"id\":1,\"method\":\"failover\",\"params\":{$said}}" \
	>"$scratch_dir/says"
check "  nor does it widen who is meant" \
	grep -q "no replica of none here" "$scratch_dir/says"
is "nothing was enabled" "$(rpc-call status | jq -r '.volumes|length')" 0
check "it lives" rpc-call status
stop_daemon
is "it stops cleanly" $? 0
finish

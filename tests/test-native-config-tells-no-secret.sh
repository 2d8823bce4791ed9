#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a password that stands in the configuration, in
# its place or by a mistake, would be shown to whoever looks; or what is written there
# would be lost, or make a file that cannot be read again.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl

conf=$scratch_dir/try.conf
on() {
	replicactl config "$1" --config "$conf" --state-dir "$scratch_dir" \
		"${@:2}"
}
# hides LINE: neither check nor show tells the word hidden of a [backend]
hides() {
	printf '%s\n' "${section-[foo]}" volume_driver=x "$1" >"$conf"
	{ on check; on show; on show --json; } >"$scratch_dir/said" 2>&1
	if grep hunter "$scratch_dir/said" || ! grep -q . "$scratch_dir/said"
	then
		fail "hidden: $1"
	else
		pass "hidden: $1"
	fi
}
hides "replication_devices={'host'='h','password'='hunter2'}"
hides "replication_device=backend_id:x,host:h,password:a,hunter2"
hides "replication_device=backend_id:x,uri:nbd://bob:hunter2@h/v"
hides "replication_device=backend_id:x,host:h,mgmt:https://bob:hunter2@h/"
hides "replication_device=backend_id:x,host:h,chap_pwd:hunter2"
section='[type t]' hides "x_url=https://bob:hunter2@h/"
section='[target t]' hides "uri=nbd://bob:hun/ter2hunter@h/v"
printf '[volume a]\ntarget=nbd://bob:hunter2@h/x\nmetadata=none\n' >"$conf"
on show >"$scratch_dir/said" 2>&1
check "a volume's target is shown" grep -q 'nbd://bob:\*\*\*@h/x' "$scratch_dir/said"
printf '[volume a]\ntarget=nbd://h:10809/x@latest\nmetadata=none\n' >"$conf"
on show >"$scratch_dir/said" 2>&1
check "an export with @ is shown" grep -q 'nbd://h:10809/x@latest' "$scratch_dir/said"

# Nothing that is written is lost silently, or misread.
printf '[volume a]\ntarget=local:/x\nmetadata=none\nspool=\n  /y\n' >"$conf"
is "a value in the next line" "$(on show "volume a" --json | jq -r \
	'.sections[0].keys[] | select(.key == "spool") | .value')" /y
printf '[volume a]\ntarget=local:/\xe9\nmetadata=none\n' >"$conf"
refuses "a line that is not UTF-8" "try.conf:2: the line is not UTF-8" on check
cp "$conf" "$scratch_dir/$(printf '\xe9').conf"
printf '[volume a]\ntarget=local:/x\nmetadata=none\n' >"$scratch_dir/$(printf '\xe9').conf"
check "a path that is not: all is shown" eval 'replicactl config show --json \
	--config "$scratch_dir/$(printf "\xe9").conf" --state-dir "$scratch_dir" |
	json_holds ".sections | length > 1"'

make_volume a
make_volume p
begin_config
configure p "target=nbd://bob:hunter2@127.0.0.1:1/x" tls=off
sed -i '/socket=.*p.nbd/d' "$scratch_dir/conf"
start_daemon
wait_until 60 eval '[ "$(field p reason)" ]'
rpc-call status >"$scratch_dir/said"
replicactl status >>"$scratch_dir/said"
check "a status shows where, without the password" eval \
	'grep -q "nbd://bob:\*\*\*@127.0.0.1" "$scratch_dir/said" &&
	! grep hunter2 "$scratch_dir/said"'
wait_until 60 grep -q 'p: .*127.0.0.1' "$daemon_log"
check "so does the log" eval '! grep hunter2 "$daemon_log"'
enable() {
	rpc-call enable "$(jq -cn --arg d "$1" '{volume: "a",
		target: "local:/x", options: {metadata: "none", device: $d}}')"
}
refuses "a line break in a value" "may have no control character" \
	enable $'/dev/x\nfrob=1'
refuses "a comment in a value" 'no " ;"' enable "/dev/x ;y"
refuses "a blank at its end" "no blank at its ends" enable "/dev/x "
refuses "too long for a line" "longer than a line may be" \
	enable "/dev/$(printf -- '-%.0s' $(seq 200))"
refuses "a cut letter in an answer" "not in UTF-8" rpc-call enable \
	"$(jq -cn --arg k "a$(printf 'é%.0s' $(seq 40))" '{volume: "a",
	target: "local:/x", options: {($k): "1"}}')"
stop_daemon
start_daemon
check "replicad starts with what it kept" rpc-call status
stop_daemon
finish

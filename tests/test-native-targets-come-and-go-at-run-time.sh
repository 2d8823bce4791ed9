#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a target that was added, changed or removed
# at run time would not be used, be forgotten by a restart, or a mistake in one
# would change something (Cinder's defect: a wrong target damages volumes).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl
kept=$state_dir/targets.conf

sums() {
	cat "$kept" "$state_dir/volumes.conf" 2>/dev/null | md5sum
}
# The lag goes on by itself.
all_targets() {
	replicactl targets --json | jq 'del(.. | .lag_s?, .last_contact?)'
}
# refused DESCRIPTION WORDS COMMAND...: and nothing has changed
refused() {
	local before
	before="$(sums) $(all_targets)"
	refuses "$@"
	is "and nothing has changed" "$(sums) $(all_targets)" "$before"
}
# listed JQ [VOLUME]: of the targets
listed() {
	replicactl targets ${2-} --json | jq -r "[.targets[] | $1] | join(\" \")"
}
same_as() { # VOLUME TARGET-FILE: as same_image(), elsewhere
	wait_settled "$1" ${patience-40} &&
		cmp -n $((native_mib * 1048576)) "$scratch_dir/$1.img" \
			"$scratch_dir/$2.target"
}
uri() {
	echo "uri=nbd+unix:///?socket=$scratch_dir/$1.nbd"
}

make_volume a
for name in east west; do
	start_target $name
done
begin_config
cat >>"$scratch_dir/conf" <<END
[type t]
replication:target=one, two
replication:interval=20ms
replication:heartbeat=200ms
replication:stale_wait=100ms
[target fixed]
uri=nbds://u:s3cret@h/{volume}?tls-psk-file=/k
END
start_daemon
refused "an unknown key" 'no key "url", the nearest is "uri"' \
	replicactl target add one url=x
refused "no address" 'uri is none that can be' replicactl target add one uri=x
refused "a wrong address" 'uri: .*nbd' replicactl target add one uri=nbdx://h/e
refused "neither" 'want uri= .*neither' replicactl target add one
refused "both" 'not both' replicactl target add one uri=local:/x backend=b
refused "a backend that is not there" 'no \[backend b\]' \
	replicactl target add one backend=b
refused "the name of a failback" 'failback goes' \
	replicactl target add default uri=local:/x
refused "no name" 'not a name for a target' replicactl target add a/b uri=local:/x
refused "a line end" 'may have no control character' \
	replicactl target add one "uri=local:/x"$'\n[volume v]'
refused "one of a file" 'fixed is of .*conf:[0-9]*: change it there' \
	replicactl target set fixed enabled=no
refused "one that is not there" 'no target fixd, the nearest is "fixed"' \
	replicactl target remove fixd

check "one is added" replicactl target add one "$(uri east)"
check "it is kept" grep -q '^\[target one\]' "$kept"
check "two, off" replicactl target add two "$(uri west)" enabled=no
refused "again" 'there already' replicactl target add one "$(uri west)"
check "a volume goes to the first" \
	rpc-call enable '{"volume":"a","options":{"type":"t"}}'
check "all of it" same_as a east
is "the list: which one is used, and that it answers" \
	"$(listed '"\(.id) \(.origin) \(.answers) \(.volumes | map("\(.name)\(.active)") | join(","))"')" \
	"fixed config null  one runtime true atrue two runtime null afalse"
is "of the volume" "$(listed .id a)" "one two"
check "when it was met last" eval '[ $(($(date +%s) - \
	$(listed "select(.id == \"one\") | .last_contact"))) -le 30 ]'
is "  but none of those that are not used" \
	"$(listed 'select(.id != "one") | .last_contact | tojson')" "null null"
check "no password" eval '! replicactl targets --json | grep s3cret'
refused "the last that is on" 'volume a: no target of it is enabled' \
	replicactl target set one enabled=no
refused "one that is named" 'volume a: there is no target one' \
	replicactl target remove one
sim-ctl write a 8192 8192 7
check "two is on" replicactl target set two enabled=yes
is "nothing moves" "$(listed 'select(.volumes[0].active) | .id')" one
check "one is off" replicactl target set one enabled=no
is "it goes to two now" "$(listed 'select(.volumes[0].active) | .id')" two
check "all of it is there" same_as a west
sim-ctl write a 4096 8192 9
check "and what is new" same_as a west
check "back to one" replicactl target set one enabled=yes
check "which gets what it lacks" same_as a east
kill_daemon
is "without replicad they are listed, too" \
	"$(replicactl targets --config "$scratch_dir/conf" --json |
	jq -r '[.targets[].id] | join(" ")')" "fixed one two"
start_daemon
is "all is kept" "$(listed '"\(.id) \(.enabled)"')" \
	"fixed true one true two true"
sim-ctl write a 65536 8192 11
check "the volume goes on" same_as a east
check "the address changes" replicactl target set one "$(uri west)"
check "and it goes there" same_as a west
refused "a verb for a volume that is not there" 'no volume b' replicactl targets b
printf '[target two]\n%s\n' "$(uri east)" >>"$scratch_dir/conf"
is "a file gains one of the same name: it counts, with a warning" \
	"$(replicactl config reload --json | jq -r '.warnings[]' |
	sed 's/.*targets.conf:[0-9]*: //; s|ignored: .*/conf|ignored: conf|')" \
	"the target two is ignored: conf:$(grep -n 'target two' "$scratch_dir/conf" | cut -d: -f1) has one"
is "it is the file's" "$(listed 'select(.id == "two") | .origin')" config
check "one is off again" replicactl target set one enabled=no
check "the file's is used" same_as a east
is "what was ignored is not kept" "$(grep -c '^\[' "$kept")" 1
is "Cinder's name of the verb" \
	"$(replicactl replication-list-targets --json | jq '.targets | length')" 3
stop_daemon
finish

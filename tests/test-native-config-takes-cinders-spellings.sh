#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a list of replication devices, as the seed
# or Cinder spell it, would be refused or mean other targets; or a secret in it
# would be printed.
. "$(dirname "$0")/lib.sh"
requires_cmd jq replicactl
config=$test_dir/config

# show FILE [SECTION]
show() {
	replicactl config show --config "$config/$1" --state-dir "$scratch_dir" \
		${2+"$2"} --json
}

# targets FILE: one a line: id, the backend that it is or its address, of whom
targets() {
	show "$1" target | jq -r '.sections[] |
		(.keys | map({(.key): .value}) | add) as $k |
		"\(.section | sub("target "; "")) \($k.backend // $k.uri) \($k.for)"'
}

is "the seed: backends" "$(targets seed-backends.conf)" \
"backend_name-a backend_name-a driver-foo
backend_name-b backend_name-b driver-foo"
is "the seed: a remote device" "$(targets seed-remote-device.conf)" \
	"driver-foo-1 nbd://10.0.0.2:10809/vol1 driver-foo"
is "the seed: both" "$(targets seed-both.conf)" \
"driver-foo-1 nbd://10.0.0.2:10809/{volume} driver-foo
backend_name-b backend_name-b driver-foo"
refuses "the seed's dots: file and line" \
	"seed-dots.conf:10: valid_replication_devices: .*not closed" \
	replicactl config check --config "$config/seed-dots.conf"
is "Cinder's" "$(targets cinder.conf)" \
"site-b nbd://10.0.0.2:10809/vol1 foo
site-c nbd://[fd00::2]:10809/{volume} foo
foo-name foo-name biz,baz
baz baz biz
biz biz baz
x1 nbd://h1/{volume} old
old-1 nbd://h2/{volume} old"
show cinder.conf >"$scratch_dir/all"
check "no secret is shown" sh -c "! grep -q s3cret '$scratch_dir/all'"
check "but that there is one" grep -q 'san_password=\*\*\*' "$scratch_dir/all"
is "a key of [backend_defaults] is inherited, and its line is told" \
	"$(jq -r '.sections[] | select(.section == "backend old") | .keys[] |
	select(.key == "volume_driver") | "\(.value) \(.origin)"' \
	"$scratch_dir/all" | sed "s|$config/||")" \
	"cinder.volume.drivers.lvm.LVMVolumeDriver cinder.conf:4"

# shown JQ: of each target in the file conf
shown() {
	replicactl config show --config "$scratch_dir/conf" --state-dir \
		"$scratch_dir" target --json | jq -r ".sections[] | $1"
}
printf '%s\n' '[DEFAULT]' 'enabled_backends=a,b' 'transport_url=rabbit://u:s3cret@h,' \
	'  rabbit://i' '[backend_defaults]' '# two' \
	'replication_device=backend_id:one,host:h' '' '# and' \
	'replication_device=backend_id:two,host:i,' ' port:1' \
	'replication_device=backend_id:three,host:j' '[a]' volume_driver=x '[b]' \
	volume_driver=x >"$scratch_dir/conf"
check "a file with [DEFAULT]: what Cinder has for itself is left alone" eval \
	'replicactl config check --config "$scratch_dir/conf" --state-dir "$scratch_dir" \
	2>&1 | grep -q "conf:1: nothing of .DEFAULT. is used here"'
is "the devices of [backend_defaults] are of both backends" \
	"$(shown '.keys[] | select(.key == "for") | .value')" $'a,b\na,b\na,b'
is "each has its line" "$(shown '"\(.section) \(.line)"')" \
	"target one 7
target two 10
target three 12"

# takes LINES: to a file of one backend
takes() {
	printf '%s\n' '[foo]' 'volume_driver=x' "$@" >"$scratch_dir/conf"
	replicactl config check --config "$scratch_dir/conf" \
		--state-dir "$scratch_dir"
}
check "commas between the pairs, too" takes "managed_replication_target=no" \
	"replication_devices={'id'='x','host'='h','port'='1'},{'host':'i'}"
is "that is two servers" "$(replicactl config show --config "$scratch_dir/conf" \
	--state-dir "$scratch_dir" target --json | jq -r '.sections[].keys[] |
	select(.key == "uri") | .value')" $'nbd://h:1/{volume}\nnbd://i/{volume}'
while IFS='|' read -r line words; do
	refuses "refused: $line" "conf:3: .*$words" takes "$line"
done <<'END'
replication_device={backend_id:b,key:v}|brace in the key
replication_device=backend_id:b,key:v,key:w|key is there twice
replication_device=key:v|no backend_id
replication_device=backend_id:b|neither uri= nor host=
replication_device=backend_id:default,host:h|failback goes
replication_device=backend_id:a/b,host:h|not a name for a target
replication_device=backend_id=b,host|after backend_id is not KEY=VALUE
valid_replication_devices='backend=bar'|no \[backend bar\]
valid_replication_devices='backend=foo'|replicate to itself
valid_replication_devices='backend=foo|quote before "backend" is not closed
valid_replication_devices='frob=foo'|want backend=NAME or remote_device
valid_replication_devices='remote_device={'host'='h'}',|nothing behind
valid_replication_devices='remote_device={'host'='h'|brace has no other half
valid_replication_devices='remote_device={}'|nothing in it
valid_replication_devices='remote_device={'host'='h}'|quote is not closed
valid_replication_devices='remote_device={'password'='s3cret'}'|neither uri= nor host=
replication_devices={'host'='h'}|needs managed_replication_target=no
END
refuses "the line of the second device" "conf:5: .*backend_id" takes \
	replication_device=backend_id:a,host:h "# one" replication_device=host:h
refuses "behind one that goes on" "conf:5: .*backend_id" takes \
	replication_device=backend_id:a, "  host:h" replication_device=host:h
refuses "one id in two lines" "conf:4: .*there already" takes \
	replication_device=backend_id:a,host:h replication_device=backend_id:a,host:i
finish

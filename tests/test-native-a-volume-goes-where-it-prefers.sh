#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: one volume could not be sent to another of its
# targets without all the others, would be torn from its group, or would be found
# elsewhere after a restart; or a mistake in that would change something.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl
native_mib=2

# goes VOLUME: the target that it goes to
goes() {
	replicactl targets "$1" --json |
		jq -r --arg v "$1" '.targets[] | select(any(.volumes[];
		.name == $v and .active)) | .id'
}
# is_at TARGET VOLUME...: they go there, and all of them is there
is_at() {
	local target=$1 v
	shift
	for v in "$@"; do
		[ "$(goes "$v")" = "$target" ] && wait_settled "$v" 60 &&
			cmp -n $((native_mib * 1048576)) "$scratch_dir/$v.img" \
				"$scratch_dir/$v.$target" || return
	done
}
kept() {
	cat "$state_dir"/{volumes,targets}.conf 2>/dev/null
}
# refused DESCRIPTION WORDS ARGUMENT...: to use it; and nothing has changed
refused() {
	local before
	before="$(kept) $(goes a) $(goes c)"
	refuses "$1" "$2" replicactl target use "${@:3}"
	is "  and nothing has changed" "$(kept) $(goes a) $(goes c)" "$before"
}

begin_config
for target in one two three; do
	printf '[target %s]\nuri=local:%s/{volume}.%s\n' $target "$scratch_dir" $target
done >>"$scratch_dir/conf"
cat >>"$scratch_dir/conf" <<END
[type t]
replication:target=one, two
replication:interval=20ms
[volume f]
type=t
END
for v in a b c d f; do
	make_volume $v
	truncate -s 4M "$scratch_dir"/$v.{one,two,three}
done
start_daemon
for v in a b c d; do
	group=null
	case $v in c | d) group='"g"' ;; esac
	rpc-call enable "{\"volume\":\"$v\",\"group\":$group,\"options\":{\"type\":\"t\"}}" \
		>/dev/null || bail "no $v"
done
check "all go to the first" is_at one a b c d f
before=$(field b bytes_shipped)/$(field b reconnects)
check "one is sent to the second" replicactl target use two a
check "  it is there" is_at two a
check "  the others stay" is_at one b c d f
is "  untouched" "$(field b bytes_shipped)/$(field b reconnects)" "$before"
sim-ctl write a 4096 8192 7
check "  also what is new" is_at two a
is "the same again changes nothing" \
	"$(replicactl target use two a --json | jq -c .changed)" "[]"
check "one of a group: all of it goes" replicactl target use two c
check "  it is there" is_at two c d
check "  the others stay" is_at one b f
replicactl disable d >/dev/null || bail "no disable"
rpc-call enable '{"volume":"d","group":"g","options":{"type":"t"}}' >/dev/null
check "who joins it goes where it goes" is_at two c d

refuses "who is enabled prefers one that it has" 'tow, which it prefers, is no' \
	rpc-call enable '{"volume":"x","options":{"type":"t","prefer":"tow"}}'
refused "a target that is not there" 'tow, which it prefers, is no target' tow a
refused "one that it may not go to" 'three, which it prefers, is no' three a
refused "a volume that is not there" 'no volume x' two x
refused "one of a file" 'f is of a file: change prefer= there' two f
refused "no volume" 'want an id, and a volume' two
printf '[volume g]\ntarget=local:/x\nprefer=one\n' >"$scratch_dir/one.conf"
refuses "one that has a target of its own" 'one, which it prefers, is no target' \
	replicactl config check --config "$scratch_dir/one.conf"

kill_daemon
start_daemon
check "after a restart they go there" is_at two a c d
check "  and the others where they went" is_at one b f
kill_daemon
sed -i 's/{volume}.two/&\nenabled=no/' "$scratch_dir/conf"
start_daemon
check "while it is off, to the first" is_at one a b c d f
sed -i '/enabled=no/d' "$scratch_dir/conf"
check "on again: there again" eval 'replicactl config reload && is_at two a c d'
sed -i 's/=one, two/=one/' "$scratch_dir/conf"
check "what is no target of it any more: the first" eval \
	'replicactl config reload && is_at one a c d'
sed -i 's/=one$/=one, two/' "$scratch_dir/conf"
check "it is one again: there again" eval \
	'replicactl config reload && is_at two a c d'
check "none is preferred: the first" replicactl target use '' a
check "  it is there" is_at one a
check "  nothing of it is kept" eval '! kept | sed -n "/volume a/,/^\[/p" |
	grep prefer'
printf 'prefer=two\n' >>"$scratch_dir/conf"
check "a file says it" eval 'replicactl config reload && is_at two f'
stop_daemon
is "it stops cleanly" $? 0
finish

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-*-of-a-group.sh, after lib-failover.sh: volumes a and c, of one
# group, go from site A to B.

members="a c"

# replicate_group: they are paired with B, and settled; $group_options: lines of
# their sections
replicate_group() {
	local v
	for v in $members; do
		make_volume $v
	done
	begin_config
	for v in $members; do
		printf '[volume %s]\ntarget=pair:p\ngroup=g\n%s\n' $v \
			$'heartbeat=200ms\ninterval=20ms\nstale_wait=300ms\n'"$(
			)${group_options-}" >>"$scratch_dir/conf"
	done
	start_daemon
	start_b
	choose_port
	invite p --history 1h \
		--create "g/a:${native_mib}MiB:$site_b/a.base" \
		--create "g/c:${native_mib}MiB:$site_b/c.base" ||
		bail "no invitation"
	join_pair p || bail "no pair"
	wait_until 60 serves p || bail "B does not serve"
	paired_equals a 60 && paired_equals c 60 || bail "B does not get them"
}

# make_group_epoch SEED OFFSET: an epoch in which each has 64 KiB there that are
# new; sets epoch; their images are kept as image-VOLUME.EPOCH
make_group_epoch() {
	local v
	for v in $members; do
		sim-ctl write $v "$2" 65536 "$1"
	done
	wait_settled a 30 && wait_settled c 30 || bail "no epoch"
	epoch=$(newest)
	for v in $members; do
		cp "$scratch_dir/$v.img" "$scratch_dir/image-$v.$epoch"
	done
}

# write_alone: each gets 128 KiB that nobody at B ever sees; kept as VOLUME.alone
write_alone() {
	local v
	for v in $members; do
		sim-ctl write $v 1048576 131072 66
		cp "$scratch_dir/$v.img" "$scratch_dir/$v.alone"
	done
}
# has_salvage VOLUME: at A, of what it got by write_alone, as it was
has_salvage() {
	local name
	name=$(replicactl salvage --json | jq -r --arg v "$1" \
		'.salvages[] | select(.volume == $v) | .name')
	rm -f "$scratch_dir/salvaged"
	replicactl salvage "$name" --export "$scratch_dir/salvaged" &&
		cmp -n 131072 -i 1048576 "$scratch_dir/salvaged" \
			"$scratch_dir/$1.alone"
}

# bases_are EPOCH
bases_are() {
	local v
	for v in $members; do
		cmp "$scratch_dir/image-$v.$1" "$site_b/$v.base" || return
	done
}

group_failed_over() {
	[ "$(b rpc-call get a state) $(b rpc-call get c state)" = \
		"promoted promoted" ]
}

# step_of VOLUME: of its record at B
step_of() {
	jq -r .step "$site_b/state/promotions/$1.json" 2>/dev/null
}

# group_marks_cover EPOCH: what A has delivered above it is dirty at B (L2), and
# in a salvage (L4)
group_marks_cover() {
	local v file
	for v in $members; do
		differing "$scratch_dir/image-$v.$1" "$scratch_dir/$v.img" |
			sort >"$scratch_dir/differ"
		replica-dump --extents "$stage_dir/$v.meta" | awk '
			$1 == "extent" { for (i = 0; i < $3; i++) print $2 + i }
		' | sort >"$scratch_dir/dirty"
		[ -s "$scratch_dir/differ" ] || return
		[ -z "$(comm -23 "$scratch_dir/differ" "$scratch_dir/dirty")" ] ||
			return
		file=$(ls "$stage_dir" | grep "^$v-$1-.*\.salvage$")
		rm -f "$scratch_dir/salvaged"
		b replicactl salvage "${file%.salvage}" \
			--export "$scratch_dir/salvaged" || return
		b replicactl salvage "${file%.salvage}" |
			while read -r off len; do
				cmp -n "$len" -i "$off" "$scratch_dir/salvaged" \
					"$scratch_dir/$v.img" || exit 1
			done || return
	done
}

# group_goes_back STATE_DIR [OPTION...]: A, which runs nothing, receives the group on
# the disks that it has, in a stage of its own; B sends it, with those lines too
group_goes_back() {
	local dir=$1 v
	shift
	choose_port
	mkdir "$scratch_dir/stage"
	printf '[replicad]\nstate_dir=%s\nreactors=1\nplugin=%s\n' "$dir" \
		"$plugin_so" >"$scratch_dir/conf"
	start_daemon
	replicactl pair invite q --address "127.0.0.1:$port" \
		--listen 127.0.0.1 --dir "$scratch_dir/stage" --history 1h \
		--create "g/a:${native_mib}MiB:$scratch_dir/a.img" \
		--create "g/c:${native_mib}MiB:$scratch_dir/c.img" \
		>"$scratch_dir/token" || bail "A does not invite"
	b replicactl pair join q <"$scratch_dir/token" ||
		bail "B does not join"
	kill -TERM $b_pid
	wait $b_pid
	b_options=$(for v in $members; do
		printf '[volume %s]\ntarget=pair:q\ngroup=g\n' $v
		printf '%s\n' heartbeat=200ms interval=20ms "$@"
	done)
	start_b
	check "A has the group" wait_until 60 b_settled
}

b_settled() {
	local v
	for v in $members; do
		[ "$(b rpc-call get $v state)" = replicating ] &&
			[ "$(b rpc-call get $v dirty_bytes)" = 0 ] &&
			[ "$(b rpc-call get $v epoch)" = 0 ] || return
	done
}

# all_are KEY VALUE: each of them, at A
all_are() {
	local v
	for v in $members; do
		field_is $v "$1" "$2" || return
	done
}

# roles: of both, in the kernel of A
roles() {
	echo "$(sim-ctl get a role) $(sim-ctl get c role)"
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-failover-*.sh, after lib-pair.sh: volume a goes from site A to
# B, some epochs whose images are kept beside, then A is gone.

requires_cmd replica-dump

# make_stage: with volume a of $chunk_bytes
make_stage() {
	mkdir -p "$stage_dir"
	nbdkit -U - "$plugin_so" dir="$stage_dir" chunk="$chunk_bytes" \
		create="a:${native_mib}MiB:$site_b/a.base" --run true ||
		bail "no stage"
}

# replicate_pair: volume a at A (with $a_options, of $chunk_bytes) is paired with B, and settled
replicate_pair() {
	make_volume a "$native_mib" "${chunk_bytes-4096}"
	begin_config
	printf '[volume a]\ntarget=pair:p\n%s\n' \
		$'heartbeat=200ms\ninterval=20ms\nstale_wait=300ms\n'"${a_options-}" \
		>>"$scratch_dir/conf"
	start_daemon
	start_b
	[ -z "${chunk_bytes-}" ] || make_stage
	choose_port
	invite p --history 1h --create "a:${native_mib}MiB:$site_b/a.base" ||
		bail "no invitation"
	join_pair p || bail "no pair"
	wait_until 60 serves p || bail "B does not serve"
	paired_equals a 60 || bail "B does not get the volume"
	volume_id=$(jq -r .volume_id "$state_dir/a.id")
}

newest() {
	replicactl history a --json | jq .last_committed
}

# make_epoch SEED OFFSET: an epoch in which 64 KiB there are written; sets
# epoch; its image is kept as image.EPOCH
make_epoch() {
	sim-ctl write a "$2" 65536 "$1"
	wait_settled a 30 || bail "no epoch"
	epoch=$(newest)
	cp "$scratch_dir/a.img" "$scratch_dir/image.$epoch"
}

# a_receives MIB: the way back, of a volume that A has given up and disabled: it
# invites B by the pair q, for the disk that it has
a_receives() {
	choose_port
	mkdir "$scratch_dir/stage"
	stop_daemon
	printf '[replicad]\nstate_dir=%s\nreactors=1\nplugin=%s\n' "$state_dir" \
		"$plugin_so" >"$scratch_dir/conf"
	start_daemon
	replicactl pair invite q --address "127.0.0.1:$port" --listen 127.0.0.1 \
		--dir "$scratch_dir/stage" --history 1h \
		--create "a:$1MiB:$scratch_dir/a.img" >"$scratch_dir/token" ||
		bail "A does not invite"
	b replicactl pair join q <"$scratch_dir/token" || bail "B does not join"
}

# lose_a: site A is gone
lose_a() {
	kill_daemon
}

failed_over() {
	[ "$(b rpc-call get a state)" = promoted ]
}

# b_dirty: the chunks that are dirty at B, a line each
b_dirty() {
	replica-dump --extents "$stage_dir/a.meta" |
		awk '$1 == "extent" { for (i = 0; i < $3; i++) print $2 + i }'
}

# differing IMAGE IMAGE: the chunks that differ, a line each
differing() {
	cmp -l "$1" "$2" | awk '{ print int(($1 - 1) / 4096) }' | uniq
}

# marks_cover EPOCH: whatever A has delivered above it is dirty at B (L2)
marks_cover() {
	differing "$scratch_dir/image.$1" "$scratch_dir/a.img" |
		sort >"$scratch_dir/differ"
	b_dirty | sort >"$scratch_dir/dirty"
	[ -z "$(comm -23 "$scratch_dir/differ" "$scratch_dir/dirty")" ]
}

# salvage_has: and what was newest there is in the salvage (L4)
salvage_has() {
	local name
	name=$(b replicactl salvage --json | jq -r '.salvages[0].name')
	rm -f "$scratch_dir/salvaged"
	b replicactl salvage "$name" --export "$scratch_dir/salvaged" || return
	[ -n "$(b replicactl salvage "$name")" ] || return
	b replicactl salvage "$name" | while read -r off len; do
		cmp -n "$len" -i "$off" "$scratch_dir/salvaged" \
			"$scratch_dir/a.img" || exit 1
	done
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-*.sh, after lib-native.sh and lib-plugin.sh: the volume "a",
# replicad, and our plugin as its target, which can lose what it has.

# start_stage [ARGUMENT...]: sets plugin_pid
start_stage() {
	start_nbdkit "$scratch_dir/a.nbd" "$plugin_so" "dir=$stage_dir" \
		"create=a:${native_mib}MiB:$scratch_dir/a.base" "$@"
	plugin_pid=$nbdkit_pid
}

image() {
	nbdcopy "nbd+unix:///a@latest?socket=${2-$scratch_dir/a.nbd}" "$1"
}

equals() {
	wait_settled a "${1-60}" && image "$scratch_dir/image" &&
		cmp "$scratch_dir/a.img" "$scratch_dir/image"
}

# damage FILE CHUNK...: these chunks are other ones from now on
damage() {
	local file=$1 chunk
	shift
	for chunk in "$@"; do
		dd if=/dev/urandom of="$file" bs=4096 seek="$chunk" count=1 \
			conv=notrunc status=none || return 1
	done
}

# damage_stage CHUNK...: behind its back, while it does not run
damage_stage() {
	stop_plugin
	damage "$scratch_dir/a.base" "$@"
}

# rises VOLUME FIELD BEFORE
rises() {
	[ "$(field "$1" "$2")" -gt "$3" ]
}

resync() {
	rpc-call resync "{\"volume\": \"a\"${1+, $1}}"
}

is_compared() {
	settled a && field_is a comparing false
}

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of clients' requests, and of
# kills, in which what goes over NBD is taken or refused wrongly, or shown wrongly:
# tests/wire-walk.c. DMR_SEED=N: that walk; DMR_SOAK: 300 of them; DMR_FUZZ_SECONDS=N
# (make fuzz): for so long, until one is wrong, whose log and stage are kept.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
walker=$top_dir/build/tests/wire-walk
fault_plugin=$top_dir/build/tests/fault-plugin.so
[ -e "$walker" ] && [ -e "$fault_plugin" ] || skip_all "needs $walker, $fault_plugin"
walks=6
[ -z "${DMR_SOAK-}" ] || walks=300
first=${DMR_SEED-$(($(date +%s) * 8))}
[ -z "${DMR_SEED-}" ] || walks=1

preload=	# what the server is started with
# take SEED PLUGIN: on a new stage; by the seed, a group, and a log on a device
take() {
	local seed=$1 plugin=$2 members=$((1 + $1 % 2)) options=()
	local size=1032192 max=1097728	# WALK_BYTES, WALK_BYTES_MAX
	rm -rf "$stage_dir" "$scratch_dir"/*.base "$scratch_dir/device"
	mkdir "$stage_dir"
	if [ $((seed / 2 % 2)) = 1 ]; then
		truncate -s 64M "$scratch_dir/device"
		options+=("log_device=$scratch_dir/device")
	fi
	if [ "$members" = 2 ]; then
		options+=("create=g/a:$size:$scratch_dir/a.base"
			"create=g/b:$size:$scratch_dir/b.base")
	else
		options+=("create=a:$size:$scratch_dir/a.base")
	fi
	"$walker" "$seed" "$members" "$PLUGIN_SOCKET" \
		${preload:+env "LD_PRELOAD=$preload"} \
		nbdkit -f -U "$PLUGIN_SOCKET" --exit-with-parent "$plugin" \
		"dir=$stage_dir" history=1h "max_size=$max" "${options[@]}" \
		2>>"$plugin_log"
}

# Which seed it was is what one wants to know. With sanitizers, if there are any.
if [ -n "${DMR_FUZZ_SECONDS-}" ]; then
	asan=$(gcc -print-file-name=libasan.so 2>/dev/null)
	if [ -e "$asan" ] && [ -z "${PLUGIN_SO-}" ]; then
		plugin_so=$top_dir/build/san/nbdkit-replica-plugin.so preload=$asan
		export UBSAN_OPTIONS=halt_on_error=1
	fi
	end=$((SECONDS + DMR_FUZZ_SECONDS)) nr=0 verdict="nothing wrong"
	while [ "$verdict" = "nothing wrong" ] && [ $SECONDS -lt $end ]; do
		take $((first + nr)) "$plugin_so" >"$scratch_dir/walk" ||
			verdict="DMR_SEED=$((first + nr)): $(tail -n 1 "$scratch_dir/walk")"
		nr=$((nr + 1))
	done
	if [ "$verdict" != "nothing wrong" ]; then
		rm -rf "$top_dir/build/fuzz/wire-walk"
		mkdir -p "$top_dir/build/fuzz"
		cp -a "$scratch_dir" "$top_dir/build/fuzz/wire-walk"
	fi
	is "$nr walks over NBD in $DMR_FUZZ_SECONDS s, from seed $first on" \
		"$verdict" "nothing wrong"
	finish
fi

bad=0
for ((i = 0; i < walks; i++)); do
	take $((first + i)) "$plugin_so" >"$scratch_dir/walk" || {
		bad=$((bad + 1))
		note "DMR_SEED=$((first + i))"
	}
	note "$(tail -n 1 "$scratch_dir/walk")"
done
is "$walks walks over NBD, from seed $first on" $bad 0

# noticed RULE: one of a few walks goes wrong without it
noticed() {
	local seed
	for seed in {1..12}; do
		STAGE_FAULT=$1 take "$seed" "$fault_plugin" >"$scratch_dir/walk" || {
			note "$(tail -n 1 "$scratch_dir/walk")"
			return 0
		}
	done
	return 1
}
if [ -z "${DMR_SEED-}" ]; then
	for rule in S2 S8 W2; do
		check "without $rule it is noticed" noticed $rule
	done
fi
finish

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
#
# After lib-plugin.sh, for tests in which oracle-watch looks at what a stage shows
# of the volumes of an oracle writer. All volumes are in the group g, on the socket
# $scratch_dir/stage.nbd.

watch_socket=$scratch_dir/stage.nbd
oracle_state=$scratch_dir/oracle
watched=()		# the volumes

# start_watched_stage MIB [ARGUMENT...]: sets plugin_pid. $watch_plugin is the
# plugin, $STAGE_FAULT what is switched off in it.
start_watched_stage() {
	local mib=$1 name creates=()
	shift
	for name in "${watched[@]}"; do
		creates+=("create=g/$name:${mib}MiB:$scratch_dir/$name.base")
	done
	start_nbdkit "$watch_socket" "${watch_plugin-$plugin_so}" \
		"dir=$stage_dir" connections=100 "${creates[@]}" "$@"
	plugin_pid=$nbdkit_pid
}

uri_of() {
	echo "nbd+unix:///$1?socket=$watch_socket"
}

# start_sim_writer OPTION...: on the simulated kernel's volumes
start_sim_writer() {
	rm -f "$oracle_state"
	oracle-sim-writer "$@" "$oracle_state" "${watched[@]}" \
		>"$scratch_dir/writer" 2>&1 &
	writer_pid=$!
	cleanup_fn kill_pid $writer_pid
	wait_until 60 test -s "$oracle_state" || bail "the writer did not start"
}

start_watch() {
	rm -f "$scratch_dir/enough"
	oracle-watch --enough "$scratch_dir/enough" \
		--looked "$scratch_dir/looked" "$@" "$oracle_state" \
		"$watch_socket" "${watched[@]}" >"$scratch_dir/watch" 2>&1 &
	watch_pid=$!
	cleanup_fn kill_pid $watch_pid
}

# Where a look takes longer than it is between two kills, none would ever end.
let_it_look() {
	rm -f "$scratch_dir/looked"
	wait_until 60 test -e "$scratch_dir/looked"
}

# paced SECONDS [COMMAND...]: runs it again and again, so long, and until enough
# was seen, but not for ever; ends early when something wrong was seen.
paced() {
	local start=$SECONDS end=$((SECONDS + $1 * ${DMR_SLOW:-1}))
	shift
	while kill -0 "$watch_pid" 2>/dev/null; do
		if [ $SECONDS -ge $end ]; then
			[ ! -e "$scratch_dir/enough" ] || return 0
			[ $SECONDS -lt $((end + 100 * ${DMR_PATIENCE:-1})) ] ||
				return 0
		fi
		sleep 0.2
		[ $# = 0 ] || "$@"
	done
	note "the watch ended after $((SECONDS - start)) s"
}

# ended DESCRIPTION PID FILE [STATUS]: it ended like that; FILE is shown.
ended() {
	local status=0
	wait "$2" || status=$?
	is "$1" $status "${4-0}"
	note "$(tail -n 15 "$3")"
}

stop_writer() {
	kill -TERM "$writer_pid" 2>/dev/null
	ended "no write failed" "$writer_pid" "$scratch_dir/writer"
}

# stop_watch DESCRIPTION [STATUS]
stop_watch() {
	kill -TERM "$watch_pid" 2>/dev/null
	ended "$1" "$watch_pid" "$scratch_dir/watch" "${2-0}"
}

# all_settled: nothing is under way for any of them
all_settled() {
	local name
	for name in "${watched[@]}"; do
		settled "$name" || return
	done
}

# A kill is no damage: what was under way is no part of the log (Z8).
nothing_is_lost() {
	local lost
	lost=$(find "$stage_dir" -name '*.lost')
	is "  and nothing was taken for damage" "$lost" ""
}

# The newest images are all that was written.
images_are_current() {
	local name files=()
	for name in "${watched[@]}"; do
		nbdcopy "$(uri_of "$name@latest")" "$scratch_dir/$name.image" ||
			return
		files+=("$scratch_dir/$name.image")
	done
	oracle-check --current --least 2 "$oracle_state" "${files[@]}"
}

# --- on the simulated kernel ------------------------------------------------------
# begin_watch "NAMES" MIB "STAGE" "CONFIG" "WRITER" "WATCH": all of it, on new
# volumes; the words are arguments of nbdkit, lines of the configuration, options.
watch_nr=0
begin_watch() {
	local name
	watch_nr=$((watch_nr + 1)) watch_mib=$2 watch_stage=$3
	stage_dir=$scratch_dir/stage$watch_nr
	mkdir "$stage_dir"
	watched=()
	begin_config
	for name in $1; do
		name+=$watch_nr
		watched+=("$name")
		sim-ctl create "$name" $((watch_mib * 1048576))
		# shellcheck disable=SC2086
		configure "$name" group=g interval=0ms $4
	done
	restart_stage
	# shellcheck disable=SC2086
	start_sim_writer --seed $((${DMR_SEED:-0} + watch_nr)) $5
	# shellcheck disable=SC2086
	start_watch $6
	start_daemon
}

restart_stage() {
	# shellcheck disable=SC2086
	start_watched_stage "$watch_mib" $watch_stage
}

# kill_some: the server, the daemon, or both; every other time not before an epoch
# was committed, and an image looked at.
nr_kills=0
kill_some() {
	local who=$((RANDOM % 4)) last
	last=$(last_commit)
	[ $((RANDOM % 2)) = 0 ] || {
		wait_until 60 has_committed "${last:-0}"
		let_it_look
	}
	nr_kills=$((nr_kills + 1))
	[ $who -gt 1 ] || kill_daemon
	if [ $who != 0 ]; then
		kill_pid "$plugin_pid"
		sleep 0.$((RANDOM % 3))
		restart_stage
	fi
	[ $who -gt 1 ] || start_daemon
	sleep 0.$((RANDOM % 8 + 1))
}

last_commit() {
	field "${watched[0]}" last_committed
}
has_committed() {
	[ "$(last_commit)" -gt "$1" ]
}

# end_watch DESCRIPTION: all was right, and is.
end_watch() {
	stop_writer
	check "$1: all is replicated" wait_until 60 all_settled
	check "  and is all that was written" images_are_current
	stop_watch "  each image was closed, at any moment"
	stop_daemon
	is "  the daemon ends well" $? 0
	stop_plugin
	is "  and the server" $? 0
	nothing_is_lost
}

# noticed DESCRIPTION: something wrong was seen.
noticed() {
	stop_watch "noticed: $1" 1
	kill_pid "$writer_pid"
	kill_daemon
	kill_pid "$plugin_pid"
}

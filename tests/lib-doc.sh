# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For test-native-documents-*.sh, after lib.sh and lib-native.sh: the two sites of
# the examples, "here" with the volume "data" and "there", each a replicad on a
# simulated kernel of its own, and doc-examples, which runs them.

requires_cmd ss jq doc-examples
plugin_so=$top_dir/daemon/nbdkit-replica-plugin.so
[ -e "$plugin_so" ] || skip_all "needs $plugin_so"
export DOC_DIR=$scratch_dir
# What the commands of "test:" are made of.
cat >"$scratch_dir/lib.sh" <<'END'
# at SITE COMMAND...
at() {
	local dir=$DOC_DIR/$1
	shift
	SIM_DIR=$dir REPLICA_SOCKET=$dir/control "$@"
}

start() {
	(
		export SIM_DIR=$DOC_DIR/$1 REPLICA_SOCKET=$DOC_DIR/$1/control
		exec setsid replicad-sim --config "$DOC_DIR/$1/conf"
	) </dev/null >>"$DOC_DIR/$1/log" 2>&1 &
	echo $! >"$DOC_DIR/$1/pid"
	until at "$1" rpc-call status >/dev/null 2>&1; do sleep 0.1; done
}

# lose SITE: its machine
lose() {
	kill -KILL "$(cat "$DOC_DIR/$1/pid")"
	rm -f "$DOC_DIR/$1/control"
}

# until_state SITE STATE [FIELD VALUE]...: all of that
until_state() {
	until [ "$(at "$1" rpc-call get data state)" = "$2" ]; do
		sleep 0.1
	done
}

come_back() {
	start "$1" && until_state "$@"
}

is_settled() {
	[ "$(at "$1" rpc-call get data dirty_bytes)" = 0 ] &&
		[ "$(at "$1" rpc-call get data epoch)" = 0 ]
}

# write SITE OFFSET LENGTH SEED: what is written there; it is an epoch
write() {
	at "$1" sim-ctl write data "$2" "$3" "$4"
	sleep 0.05
	until [ "$(at "$1" rpc-call get data state)" != replicating ] ||
			is_settled "$1"; do
		sleep 0.1
	done
}

# pair_up: as in the tutorial
pair_up() {
	mkdir "$DOC_DIR/there/srv/stage"
	at there replicactl pair invite here --listen 127.0.0.1 \
		--address "127.0.0.1:$DOC_PORT1" --history 1h \
		--dir "$DOC_DIR/there/srv/stage" \
		--create "data:8MiB:$DOC_DIR/there/srv/data.img" >"$DOC_DIR/token"
	at here replicactl pair join there <"$DOC_DIR/token"
	at here replicactl enable data --target pair:there \
		--metadata "$DOC_DIR/here/meta"
	until at here replicactl status --check >/dev/null; do sleep 0.1; done
}

# same_at_both: of there, where it is now, and of here, which receives
same_at_both() {
	local id
	id=$(at here rpc-call pair_list |
		jq -r '.pairs[] | select(.name == "there-to-here") | .pair_id')
	nbdcopy "nbds://$id@127.0.0.1:$DOC_PORT2/data@latest?$(
		)tls-psk-file=$DOC_DIR/here/state/pairs/there-to-here.key" \
		"$DOC_DIR/image" && cmp "$DOC_DIR/image" "$DOC_DIR/there/srv/data.img"
}
END

free_port() {
	local port
	for _ in 1 2 3 4 5 6 7 8 9; do
		port=$((20000 + RANDOM % 10000))
		[ -n "$(ss -Hltn "sport = :$port")" ] || { echo $port; return; }
	done
}

kill_site() {
	kill -KILL "$(cat "$scratch_dir/$1/pid")" 2>/dev/null
}

# make_sites: both, with replicad; here with the volume
make_sites() {
	local site
	DOC_PORT1=$(free_port) DOC_PORT2=$(free_port)
	export DOC_PORT1 DOC_PORT2
	# shellcheck source=/dev/null
	. "$scratch_dir/lib.sh"
	for site in here there; do
		mkdir -p "$scratch_dir/$site/srv"
		printf '[replicad]\nstate_dir=%s\nreactors=1\nplugin=%s\n' \
			"$scratch_dir/$site/state" "$plugin_so" \
			>"$scratch_dir/$site/conf"
		printf '%s\n' "SIM_DIR=$scratch_dir/$site" \
			"REPLICA_SOCKET=$scratch_dir/$site/control" \
			>"$scratch_dir/$site.env"
		cleanup_fn kill_site $site
	done
	at here sim-ctl create data 8388608 && at here sim-ctl write data 0 4194304
	printf '%s\t%s\n' /srv/ "$scratch_dir/SITE/srv/" there.example.com:10809 \
		"127.0.0.1:$DOC_PORT1" here.example.com:10810 \
		"127.0.0.1:$DOC_PORT2" /dev/mapper/data \
		"$scratch_dir/SITE/data.img" /dev/vg/data-meta "$scratch_dir/SITE/meta" \
		>"$scratch_dir/words"
	start here && start there
}

# run_document FILE: each of its commands is a check
run_document() {
	local word text
	while read -r word text; do
		case $word in
		pass) pass "$text" ;;
		fail) fail "$text" ;;
		*) note "${word#\#} $text" ;;
		esac
	done < <(doc-examples "$1" 2>&1)
}

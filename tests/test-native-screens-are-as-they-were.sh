#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: an operator at a terminal would see something
# else than tests/screens shows, without anybody having looked at it.
#
# DMR_WRITE_SCREENS=1 writes them anew: look at the difference before it is committed.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
. "$(dirname "$0")/lib-doctor.sh"
requires_cmd tmux

# volume NAME STATE LAG REASON NEXT-STEP [MORE]
volume() {
	printf '{"name":"%s","state":"%s","lag_s":%s,"reason":"%s",
	"next_step":"%s","target":"nbds://b/%s","last_committed":41,
	"dirty_bytes":1048576,"size_bytes":1073741824,"synced":true,
	"rate_bytes_s":5242880,"sync_total_bytes":1073741824,
	"sync_done_bytes":536870912,"eta_s":102,"replica_consistent":true%s}' \
		"$1" "$2" "$3" "$4" "$5" "$1" "${6-}"
}
all="$(volume db replicating 0.25 "" "" ',"tls":"kernel"'),$(volume mail catching-up 90 \
	"the replica is behind and is being brought up to date" wait \
	',"tls":"userspace","replica_consistent":false,"applying":true'),$(volume old \
	error 4000 "/dev/vg/old: sector 8 cannot be read" "write it anew" \
	',"persistence":"none","replica_consistent":false'),$(volume web replicating 0.5 "" "" \
	',"clear_text":true')"
# replica NAME STATE LAG REASON
replica() {
	printf '{"volume":"%s","pair":"paris","dir":"/srv/stage","state":"%s",
	"lag_s":%s,"reason":"%s","next_step":"","notices":[],"clock_ahead_s":0,
	"lag_bytes":1048576,"last_committed":7,"size_bytes":1073741824,
	"log_bytes":536870912}' "$@"
}
kept="$(replica crm ok 1.5 ""),$(replica erp "log full" 4000 \
	"the log cannot hold the newest epoch")"
tr -d '\n' >"$answers" <<-END
	{"status":{"result":{"schema_version":1,"verdict":"error",
	"daemon":{"pid":1,"uptime_s":5,"version":"0"},"volumes":[$all]}},
	"replicas":{"result":{"schema_version":1,"replicas":[$kept,
	{"volume":"lab","pair":"rome","dir":"/srv/lab","state":"error",
	"reason":"its pair's server does not run (replicactl pair list)"}]}}}
END
make_good
configure '[volume db]\ntarget=local:/x\n'

export TMUX_TMPDIR=$scratch_dir
unset TMUX
tm() {
	timeout 120 tmux -L t -f /dev/null "$@"
}
end_tmux() {
	tm kill-server
}
# The screen, without what differs from one time to another: the prompt that comes
# at the end, the time, the sparklines, and what is free.
screen() {
	tm capture-pane -p -t 0 | sed "s|$scratch_dir|DIR|g; s|[▁▂▃▄▅▆▇█]||g
		s|^[0-9][0-9]:[0-9][0-9]:[0-9][0-9]|HH:MM:SS|; /^\\$ *\$/d
		s|has [0-9.]* [KMGTP]*i*B free|has SOME free|; s| *\$||" |
		sed -e :a -e '/^\n*$/{$d;N;ba' -e '}' >"$scratch_dir/screen"
}
is_there() {
	screen && grep -qE "$1" "$scratch_dir/screen"
}
has_prompt() {
	tm capture-pane -p -t 0 | grep -q '^\$'
}
is_clear() {
	screen && ! grep -q . "$scratch_dir/screen"
}
# shows NAME END KEYS ARGUMENT...: what replicactl shows when END is on the screen;
# KEYS end it. It is tests/screens/NAME.txt.
shows() {
	local file=$test_dir/screens/$1.txt
	tm send-keys -t 0 clear Enter
	wait_until 60 is_clear || bail "the screen is not cleared"
	tm send-keys -t 0 "replicactl ${*:4}" Enter
	wait_until 60 is_there "$2" || note "$(cat "$scratch_dir/screen")"
	[ -z "${DMR_WRITE_SCREENS-}" ] || cp "$scratch_dir/screen" "$file"
	check "the screen of $1" diff "$file" "$scratch_dir/screen"
	[ -z "$3" ] || tm send-keys -t 0 "$3"
}

tm new-session -d -x 100 -y 30 "LC_ALL=C.UTF-8 TZ=UTC PS1='\$ ' PATH=$PATH \
	REPLICA_SOCKET=$socket TERM=screen bash --norc --noprofile" || bail "no tmux"
cleanup_fn end_tmux
wait_until 60 has_prompt || bail "no shell"
shows status 'everything is sent again' "" status
shows watch 'everything is sent again' C-c status --watch
shows top '^web ' q top
shows doctor '^[0-9]+ checked' "" doctor --root "$root"
shows wrong-verb 'lists the verbs' "" statsu
finish

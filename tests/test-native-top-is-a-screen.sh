#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, "top" would show something else than the status, scroll or
# overflow the terminal, or leave it without cursor and echo.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
requires_cmd tmux python3 pkill

volumes() {
	python3 -c '
import json, sys
v = [{"name": "mail", "state": "replicating", "lag_s": 0.4, "rate_bytes_s":
      1048576, "dirty_bytes": 8192},
     {"name": "db", "state": "catching-up", "lag_s": float(sys.argv[1]),
      "rate_bytes_s": 5242880, "dirty_bytes": 1073741824},
     {"name": "web", "state": "replicating", "lag_s": 0.2, "rate_bytes_s": 0,
      "dirty_bytes": 0},
     {"name": "old", "state": "error", "lag_s": None}]
v += [{"name": f"more{i:03}", "state": "replicating", "lag_s": 0}
      for i in range(int(sys.argv[2]))]
print(json.dumps({"status": {"result": {"volumes": v}}}))' "$1" "$2" \
		>"$answers.new" && mv "$answers.new" "$answers"
}
volumes 90 0
start_fake
export TMUX_TMPDIR=$scratch_dir
unset TMUX
tm() {
	timeout 120 tmux -L t -f /dev/null "$@"
}
end_tmux() {
	tm kill-server
}
screen() {
	tm capture-pane -p -t 0 >"$scratch_dir/screen"
}
# shows REGEX: the screen does, now or soon
shows_now() {
	screen && grep -qE -- "$1" "$scratch_dir/screen"
}
shows() {
	check "the screen shows: $1" wait_until 60 shows_now "$1" ||
		note "$(cat "$scratch_dir/screen")"
}
tm new-session -d -x 100 -y 24 "LC_ALL=C.UTF-8 PS1='\$ ' bash --norc --noprofile" ||
	bail "no tmux"
cleanup_fn end_tmux
shows '^\$'
tm send-keys -t 0 "PATH=$PATH REPLICA_SOCKET=$socket TERM=screen NO_COLOR=1 \
replicactl top --every 300ms; echo ended with \$?" Enter
shows '2 of 4 replicate'
# The rest of the frame, as text: order, units, columns.
screen
is "the frame" "$(sed -n '2,7p' "$scratch_dir/screen" | cut -c 1-62 | sed 's/ *$//')" \
"
VOLUME         STATE                  LAG     RATE/s     DIRTY
db             catching-up           90 s    5.0 MiB   1.0 GiB
old            error                    -          -         -
mail           replicating          0.4 s    1.0 MiB   8.0 KiB
web            replicating          0.2 s        0 B       0 B"
check "the lag is at most that of db" shows_now 'lag at most 90 s'
shows '^db .*█$'
volumes 10 0
shows '^db .*█▁'
shows '^old .*\.\.\.'
volumes 10 90
shows '… [0-9]+ more'
is "nothing scrolled" "$(sed -n 1p "$scratch_dir/screen" | grep -c replicate)" 1
tm resize-window -t 0 -x 60 -y 10
shows_small() {
	screen && [ "$(wc -l <"$scratch_dir/screen")" -le 10 ] &&
		grep -q '… 89 more' "$scratch_dir/screen" &&
		sed -n 1p "$scratch_dir/screen" | grep -q 'of 94 replicate'
}
check "it fits a smaller terminal" wait_until 60 shows_small ||
	note "$(cat "$scratch_dir/screen")"
is "without sparklines" "$(grep -cE '█|LATELY' "$scratch_dir/screen")" 0
tm resize-window -t 0 -x 100 -y 24
shows '… 75 more'
echo '{"status": {"hangup": true}}' >"$answers"
shows 'does not answer'
volumes 10 0
shows '2 of 4 replicate'

# Each end gives the terminal back. What the terminal does is asked before bash
# changes it for its next prompt.
run_top() {
	tm send-keys -t 0 clear Enter
	check "clean" wait_until 60 eval "! shows_now 'ended|ECHO'"
	tm send-keys -t 0 "replicactl top --every 300ms; s=\$?; stty -a | grep -o \
' echo ' | tr a-z A-Z; echo ended with \$s" Enter
	shows 'of 4 replicate'
	is "the cursor is hidden meanwhile" "$(tm display -p -t 0 '#{cursor_flag}')" 0
}
restored() {
	shows "^ended with $2"
	check "$1: the screen is the old one" shows_now '^\$ replicactl top'
	check "$1: what is typed is seen" shows_now '^ ECHO'
	is "$1: the cursor is there" "$(tm display -p -t 0 '#{cursor_flag}')" 1
}
tm send-keys -t 0 q
shows '^ended with 0'
tm send-keys -t 0 "ulimit -c 0; export PATH=$PATH REPLICA_SOCKET=$socket TERM=screen" Enter
shell=$(tm display -p -t 0 '#{pane_pid}')
run_top
tm send-keys -t 0 q
restored q 0
run_top
tm send-keys -t 0 C-c
restored Ctrl-C 0
# Stopped and continued; also where nothing tells us before (SIGSTOP).
for how in C-z STOP; do
	run_top
	if [ $how = C-z ]; then
		tm send-keys -t 0 C-z
	else
		pkill -STOP -P "$shell" -x replicactl
	fi
	shows 'Stopped .*replicactl top'
	[ $how = STOP ] || is "$how: the cursor is there" \
		"$(tm display -p -t 0 '#{cursor_flag}')" 1
	[ $how = STOP ] || check "$how: the screen is the old one" \
		shows_now '^\$ replicactl top'
	volumes 10 5
	tm send-keys -t 0 'fg' Enter
	shows 'of 9 replicate'
	is "$how: the cursor is hidden again" "$(tm display -p -t 0 '#{cursor_flag}')" 0
	tm send-keys -t 0 q
	check "$how: q is not seen" wait_until 60 eval "! shows_now 'of 9 rep|^q'"
	is "$how: the cursor is back" "$(tm display -p -t 0 '#{cursor_flag}')" 1
	volumes 10 0
done
# While replicad hangs.
for key in q C-c; do
	run_top
	echo '{"status": {"silence": true}}' >"$answers"
	shows 'does not answer'
	tm send-keys -t 0 $key
	restored "$key while replicad hangs" 0
	volumes 10 0
done
for sig in TERM:0 HUP:0 ABRT:134 SEGV:139; do
	run_top
	pkill -${sig%:*} -P "$shell" -x replicactl
	restored SIG${sig%:*} "${sig#*:}"
done
ctl 2 top
err_has 'needs a terminal'
ctl 2 top --every 0
ctl 2 top --json
finish

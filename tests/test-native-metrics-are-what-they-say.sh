#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, Prometheus would refuse the metrics, show a number that nobody
# has measured, or give addresses away; or an alert would wait for a name that is
# never served.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd curl python3
export REPLICA_SOCKET=$scratch_dir/control
page=$scratch_dir/page

# --- of a daemon that works: every family has a sample -----------------------------
make_volume a
start_target a
begin_config
configure a group=g
start_daemon
check "it replicates" wait_settled a
replicactl metrics >"$page"
check "it is OpenMetrics" eval 'check-openmetrics "$page" >"$scratch_dir/names"'
sed -n 's/^# TYPE \([a-z_]*\) counter/\1_total/p; s/^# TYPE \([a-z_]*\) info/\1_info/p
	s/^# TYPE \([a-z_]*\) \(gauge\|stateset\)/\1/p' "$page" | sort >"$scratch_dir/families"
check "there are more than thirty families" \
	test "$(wc -l <"$scratch_dir/families")" -gt 30
# nothing is left to ship: there is no time until it is
is "each has a sample" \
	"$(comm -23 "$scratch_dir/families" "$scratch_dir/names" | xargs)" \
	replica_volume_eta_seconds
value() {
	sed -n "s/^$1 //p" "$page"
}
is "the size is right" "$(value 'replica_volume_size_bytes{volume="a",group="g"}')" \
	$((native_mib * 1048576))
is "what was shipped, too" "$(value 'replica_volume_shipped_bytes_total{volume="a",group="g"}')" \
	"$(field a bytes_shipped)"
is "one state is 1" "$(grep '^replica_volume_state.* 1$' "$page")" \
	'replica_volume_state{volume="a",group="g",replica_volume_state="replicating"} 1'
sed -n 's/.*PAIR_[A-Z_]*\] = { "\([a-z-]*\)".*/\1/p' "$top_dir/daemon/pair.c" | sort -u \
	>"$scratch_dir/pair-states"
check "states were found" grep -qx diverged "$scratch_dir/pair-states"
is "all states are there" "$(grep -o 'replica_volume_state="[a-z-]*' "$page" |
	sed 's/.*"//' | sort -u)" "$(cat "$scratch_dir/pair-states")"
is "no address or path is told" "$(grep -cE 'nbd|/|socket' "$page")" 0

# --- what rules and dashboard ask for is served ------------------------------------------
names_in() {
	grep -oE 'replica_[a-z_]+' "$1" | sort -u |
		grep -vxE 'replica_volume_state|replica_up' | comm -23 - "$scratch_dir/families"
}
is "rules" "$(names_in "$top_dir/utils/monitoring/replica.rules.yml")" ""
is "dashboard" "$(names_in "$top_dir/utils/monitoring/grafana-dashboard.json")" ""
check "the dashboard is JSON" python3 -m json.tool \
	"$top_dir/utils/monitoring/grafana-dashboard.json"
check "states that rules name are states" eval "grep -o 'replica_volume_state=~*\"[^\"]*' \
	'$top_dir/utils/monitoring/replica.rules.yml' | sed 's/.*\"//' | tr '|' '\n' |
	sort -u | comm -23 - '$scratch_dir/pair-states' | { ! grep .; }"

# --- over HTTP ---------------------------------------------------------------------------
replicactl metrics --listen 0 --timeout 1m >"$scratch_dir/http" &
server=$!
cleanup_fn kill_pid $server
check "it serves" wait_until 60 grep -q 'at port' "$scratch_dir/http"
port=$(sed 's/.* //' "$scratch_dir/http")
get() {
	curl -s -m 120 --noproxy '*' -o "$page" -w '%{http_code} %{content_type}' "$@"
}
is "with its type" "$(get "http://127.0.0.1:$port/metrics")" \
	"200 application/openmetrics-text; version=1.0.0; charset=utf-8"
check "and it is OpenMetrics" check-openmetrics "$page"
is "the volume is in it" "$(value 'replica_volume_synced{volume="a",group="g"}')" 1
is "nothing else is there" "$(get "http://127.0.0.1:$port/../etc/passwd")" \
	"404 text/plain"
is "and nothing is taken" "$(get -X POST -d x "http://127.0.0.1:$port/metrics")" \
	"405 text/plain"
check "it listens on loopback only" eval "ss -Hltn 'sport = :$port' |
	awk '{print \$4}' | sort -u | grep -qx '127.0.0.1:$port'"
# Clients that say nothing, as many as it takes, keep nobody out for good.
silent() {
	python3 -c "
import socket, sys, time
s = [socket.create_connection(('127.0.0.1', $port)) for _ in range(20)]
print('there', flush=True)
time.sleep(120)" >"$scratch_dir/silent" 2>&1 &
	cleanup_fn kill_pid $!
}
silent
check "twenty are silent" wait_until 60 grep -q there "$scratch_dir/silent"
check "somebody else is served" wait_until 60 eval \
	'get "http://127.0.0.1:$port/metrics" | grep -q ^200'
stop_daemon
check "without replicad" eval 'get "http://127.0.0.1:$port/metrics" | grep -q ^200'
is "the page says that" "$(grep -v '^#' "$page")" "replica_up 0"
check "and is OpenMetrics" check-openmetrics "$page"
kill -TERM $server
wait $server
is "it ends cleanly" $? 0
for where in nowhere 1.2.3.4.5:80 host.example:80 70000 :80 ''; do
	ctl 2 metrics --listen "$where"
done
ctl 1 metrics --listen 192.0.2.1:9742
err_has '192.0.2.1:9742: '

# --- of strange volumes ------------------------------------------------------------------
export REPLICA_SOCKET=$socket
echo '{"status": {"result": {"daemon": {"version": "1\"\\\n2", "uptime_s": 1.5},
	"volumes": [{"name": "a\"\\\nb{c}", "state": "error", "lag_s": null,
	"size_bytes": 1099511627776, "bytes_written": 18014398509481984}]}}}' >"$answers"
start_fake
ctl 0 metrics
cp "$out" "$page"
check "quotes, backslashes and newlines are escaped" check-openmetrics "$page"
check "as they must be" grep -qF 'volume="a\"\\\nb{c}",' "$page"
is "what is not known has no sample" "$(grep -cE '^replica_volume_(lag|dirty)' "$page")" 0
is "big numbers are whole" "$(sed -n 's/^replica_volume_size_bytes.* //p' "$page")" \
	1099511627776

# --- the checker itself -------------------------------------------------------------------
wrong() {
	refuses "the checker sees: $1" "$2" check-openmetrics <(printf "$3")
}
head='# TYPE a_bytes gauge\n# UNIT a_bytes bytes\n# HELP a_bytes x.\n'
check "it takes a good one" check-openmetrics <(printf "$head"'a_bytes{b="c"} 1\n# EOF\n')
wrong "no end" EOF "$head"'a_bytes 1\n'
wrong "a value" value "$head"'a_bytes NaN1\n# EOF\n'
wrong "a quote" sample "$head"'a_bytes{b="c"d"} 1\n# EOF\n'
wrong "another family" family "$head"'b_bytes 1\n# EOF\n'
wrong "a counter without total" family '# TYPE a counter\n# HELP a x\na 1\n# EOF\n'
wrong "the unit" unit '# TYPE a gauge\n# UNIT a bytes\n# EOF\n'
wrong "twice" twice "$head"'a_bytes 1\na_bytes 2\n# EOF\n'
finish

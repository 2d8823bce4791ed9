#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, the Tab key would offer verbs, options or names that there are
# not, or hang where replicad does not run.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
# shellcheck source=/dev/null
. "$top_dir/utils/completion/replicactl.bash"

# The Tab key waits for two seconds, a test that has an answer for as long as it takes.
eval "hasty_$(declare -f _replicactl_ask)"
_replicactl_ask() {
	replicactl "$@" --timeout 2m
}

# tab LINE: what bash would be offered for the line's last word
tab() {
	COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDBREAKS=$' \t\n"\'><=;|&(:'
	COMPREPLY=()
	_replicactl
	echo "${COMPREPLY[*]}"
}
is "bash knows it" "$(complete -p replicactl)" "complete -F _replicactl replicactl"

# --- without replicad ----------------------------------------------------------
is "all verbs" "$(tab 'replicactl ')" "$(replicactl help --words | xargs)"
is "a verb" "$(tab 'replicactl st')" status
is "a verb behind an option" "$(tab 'replicactl --socket /s re')" \
	"resume recover resync resolve"
is "options" "$(tab 'replicactl enable vol --ta')" "--target --target-timeout"
for verb in $(replicactl help --words); do
	is "all options of $verb" "$(tab "replicactl $verb --")" \
		"$(replicactl help --words "$verb" | xargs)"
done
is "actions" "$(tab 'replicactl kernel di')" dirty
is "actions of pair" "$(tab 'replicactl pair ')" "invite join list revoke"
is "no volume: nothing" "$(tab 'replicactl disable v')" ""
touch "$scratch_dir/key1" "$scratch_dir/key2"
is "files" "$(tab "replicactl pair join x --token-file $scratch_dir/ke")" \
	"$scratch_dir/key1 $scratch_dir/key2"
is "files behind =" "$(tab "replicactl enable x --spool=$scratch_dir/key1")" \
	"$scratch_dir/key1"
is "what an option takes" "$(tab 'replicactl resolve vol --keep ')" "local peer"
is "also behind =" "$(tab 'replicactl enable vol --apply=st')" staged

# --- what replicad knows ----------------------------------------------------------
cat >"$answers" <<END
{"status": {"result": {"volumes": [{"name": "vol1"}, {"name": "x"}]}},
 "test_list": {"result": {"tests": [{"name": "before"}, {"name": "x"}]}},
 "pair_list": {"result": {"pairs": [{"name": "paris"}, {"name": "rome"}]}},
 "snapshot_list": {"result": {"snapshots": [{"name": "monday"}, {"name": "x"}]}},
 "made": {"result": {"volumes": [{"volume": "m1"}, {"volume": "x"}]}},
 "replicas": {"result": {"replicas": [{"volume": "rep"}]}},
 "targets": {"result": {"targets": [{"id": "west"}, {"id": "x"}]}},
 "salvage_list": {"result": {"salvages": [{"name": "vol1-41-7"}]}}}
END
start_fake
for verb in status disable pause resume recover resync verify events history test \
	failover resolve set-type targets; do
	is "$verb: volumes" "$(tab "replicactl $verb v")" vol1
done
for verb in status history test failover delete; do
	is "$verb: replicas" "$(tab "replicactl $verb r")" rep
done
is "behind a flag" "$(tab 'replicactl failover --force v')" vol1
is "behind an option with a value" "$(tab 'replicactl status --timeout 3s v')" vol1
is "only one volume" "$(tab 'replicactl disable vol1 ')" ""
is "test devices" "$(tab 'replicactl test --drop b')" before
is "volumes that were made" "$(tab 'replicactl delete m')" m1
is "volumes to keep" "$(tab 'replicactl snapshot m')" m1
is "volumes to clone" "$(tab 'replicactl clone m')" m1
is "snapshots to clone" "$(tab 'replicactl clone m1 m2 --from m')" monday
is "snapshots" "$(tab 'replicactl snapshot m1 --drop m')" monday
is "salvages" "$(tab 'replicactl salvage v')" vol1-41-7
is "salvages to drop" "$(tab 'replicactl salvage --drop ')" vol1-41-7
is "targets that there are" "$(tab 'replicactl target set w')" west
is "where it is handed over to" "$(tab 'replicactl failover --to w')" west
is "who is to go there" "$(tab 'replicactl target use west v')" vol1
is "actions of target" "$(tab 'replicactl target ')" "add set remove use check"
is "pairs" "$(tab 'replicactl pair revoke p')" paris
is "a new pair has no name yet" "$(tab 'replicactl pair join p')" ""
is "targets" "$(tab 'replicactl enable v --target p')" "pair:paris pair:rome"
is "the rest of one" "$(tab 'replicactl enable v --target pair:p')" paris
is "behind =" "$(tab 'replicactl enable v --target=pair:r')" rome
is "kinds of targets" "$(tab 'replicactl enable v --target n')" \
	"nbds:// nbd:// nbd+unix:///"
says status '{"silence": true}'
_replicactl_ask() {
	hasty__replicactl_ask "$@"
}
start=$SECONDS
is "a silent replicad: nothing" "$(tab 'replicactl disable v')" ""
check "and that soon" test $((SECONDS - start)) -lt 30
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# lab: timeout=300
# What would be wrong if this failed: a volume could not be made by its type, would
# be half made where something is wrong, or would be gone while it is in use.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-made.sh"
requires_cmd replicactl jq

mib=1048576
folder=$scratch_dir/volumes
mkdir "$folder"
begin_config
cat >>"$scratch_dir/conf" <<END
[backend others]
driver=dm
[backend east]
driver=file
folder=$folder
[backend west]
driver=file
folder=$scratch_dir/nowhere
[target site-b]
uri=$(uri_of '{volume}')
for=east
[type gold]
replication_enabled=<is> True
replication:interval=20ms
[type plain]
driver=file
[type east-only]
volume_backend_name=east
END
files() {
	find "$folder" -type f | wc -l
}
start_target db
db_pid=$target_pid
start_daemon

# --- one that is replicated -----------------------------------------------------
check "a volume of a type that is replicated" replicactl create db --size 8MiB \
	--type gold
check "  it is replicated" wait_settled db
check "  its type is kept" grep -qx "type=gold" "$state_dir/volumes.conf"
base=$(of db base)
is "  its base has its size" "$(stat -c %s "$base")" $((8 * mib))
is "  there are the base and the metadata" "$(files)" 2
sim-ctl write db 0 $((4 * mib))
check "  what is written there" wait_settled db
check "  is on the base" cmp "$base" "$scratch_dir/db.img"
check "  and at the target" same_image db
refuses "a second one of that name" "there already" replicactl create db \
	--size 8MiB --type plain
refuses "what is replicated is not deleted" "replicated" \
	replicactl delete db --yes
refuses "nor without a yes" "--yes" replicactl delete db --disable </dev/null
is "  it is there" "$(files)" 2
stop_daemon
start_daemon
check "after a restart, it is replicated" wait_settled db
is "  and known" "$(of db step) $(of db replicated)" "ready true"
sim-ctl meta db use
refuses "in use: it stays" "in use" replicactl delete db --disable --yes
check "  it is replicated still" field_is db state replicating
sim-ctl meta db leave

# --- not replicated, then replicated ----------------------------------------------
check "one that is not replicated" replicactl create scratch --size 5000000 \
	--type plain --backend east
is "  it is rounded up" "$(of scratch size_bytes)" $((4096 * 1221))
is "  and is not" "$(of scratch replicated)" false
check "  the status has it" eval \
	'replicactl status >"$scratch_dir/told"; grep -qx "scratch: 4.8 MiB on $(
		of scratch base) (east), not replicated" "$scratch_dir/told"'
is "  by its name, too" "$(replicactl status scratch --json | jq -r \
	'[.verdict, (.volumes | length), .not_replicated[].volume] | join(" ")')" \
	"ok 0 scratch"
is "  and none that is replicated" "$(replicactl status --json |
	jq -r '[.not_replicated[].volume] | join(" ")')" scratch
refuses "  one that there is not is in none" "no volume nothing" \
	replicactl status nothing
check "one without a type" replicactl create later --size 8MiB
start_target later
check "  is enabled by its name" replicactl enable later --target \
	"$(uri_of later)"
check "  above what was made" wait_settled later
check "  which is its base" test "$(readlink "$scratch_dir/later.img")" = \
	"$(of later base)"
start_target third
check "a target is enough" replicactl create third --size 8MiB --target \
	"$(uri_of third)"
check "  it is replicated" wait_settled third

# --- refused, and nothing is left -------------------------------------------------
before=$(files)
refuses "no name" "name of the volume" replicactl create --size 8MiB
refuses "no size" "size SIZE" replicactl create x --type gold
refuses "none that is one" "size" rpc-call create '{"volume":"x","size_bytes":-1}'
refuses "a name that is none" "not a name" replicactl create a/b --size 1MiB
refuses "no such type" "nearest is .*gold" replicactl create x --size 1MiB \
	--type goldd
refuses "no such backend" "nearest is .*east" replicactl create x --size 1MiB \
	--backend eastt
refuses "one that makes none" "driver=dm, which makes no volumes" \
	replicactl create x --size 1MiB --backend others
refuses "one that the type is not for" "volume_backend_name" replicactl create x \
	--size 1MiB --backend west --type east-only
refuses "a folder that is not there" "nowhere" replicactl create x --size 1MiB \
	--backend west
refuses "to be replicated, but nowhere to" "[Tt]arget|tls=off" replicactl create \
	x --size 1MiB --target nbd://127.0.0.1/x
refuses "larger than any volume" "that there can be" replicactl create x \
	--size 8000000TiB
refuses "a base that somebody else names" "origin is not an option of create" \
	rpc-call create '{"volume":"x","size_bytes":4096,"options":{"origin":"/dev/x"}}'
refuses "an option that is no text" "interval is not a text" rpc-call create \
	'{"volume":"x","size_bytes":4096,"type":"gold","options":{"interval":5}}'
touch "$scratch_dir/x.late"
refuses "that cannot be replicated after all" "x comes late" replicactl create x \
	--size 8MiB --target "$(uri_of third)"
is "  nothing is left of them" "$(files) $(of x step)" "$before "
refuses "none that was made here" "not made here" replicactl delete x --yes

# --- what somebody has open ---------------------------------------------------------
exec 9<"$(of scratch base)"
refuses "a file that somebody reads" "in use" replicactl delete scratch --yes
exec 9<&-
stop_daemon
start_daemon
is "  stays, also at the next start" "$(of scratch step) $(files)" "ready $before"

# --- and gone ---------------------------------------------------------------------
check "only told" replicactl delete db --disable --dry-run
check "  it is replicated still" field_is db state replicating
check "deleted" replicactl delete db --disable --yes
check "  its base is gone" test ! -e "$base"
check "  and what was known of it" test ! -e "$state_dir/db.id"
is "  it is in no list" "$(of db step)" ""
check "the others, too" eval 'for v in scratch later third; do
	replicactl delete $v --disable --yes || exit 1; done'
is "  nothing is left" "$(files)" 0
rm "$scratch_dir/db.target"
kill_pid $db_pid
start_target db
check "a new one of the old name" replicactl create db --size 8MiB --type gold
check "  is replicated" wait_settled db
stop_daemon
is "a clean stop" $? 0
finish

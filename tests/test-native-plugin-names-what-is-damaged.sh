#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a disk that gives errors, or a log of which
# somebody has changed, cut, swapped or removed a part, would be served by the real
# server as if it were an image, without a word, or for good.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
fail_so=$top_dir/build/tests/fail-io.so
[ -e "$fail_so" ] || skip_all "needs $fail_so (make tools)"
requires_cmd replicactl jq
export DMR_FAIL_IO=$scratch_dir/rule
# A sanitizer is no friend of another preloaded library.
PLUGIN_PRELOAD=$fail_so

# io_fails [OPERATION PATH]: from now on; without, nothing fails
io_fails() {
	printf '%-63s' "$*" | dd of="$DMR_FAIL_IO" conv=notrunc status=none
}

image() {
	nbdcopy "$(uri "$1")" - 2>/dev/null | sha256sum
}

state_is() {
	replicactl status --json --target "$(uri vol)" >"$scratch_dir/state"
	json_holds "$1" <"$scratch_dir/state"
}

# --- errors while it runs -----------------------------------------------------------
io_fails
start_plugin history=1h
check "four epochs" primary <<'EOP'
p = Primary().hello()
for epoch in range(1, 5):
    p.whole(epoch, 5 * epoch, epoch, 3)
EOP
before=$(image vol@latest)

for op in write sync; do
	io_fails $op .seg
	session=$((${session:-1} + 1))
	check "the log fails to $op: EIO for who writes" primary <<EOP
p = Primary(session=($session, 1))
def attempt():
    p.hello()
    p.whole(p.header().highest_seen + 1, 100, 77, 3)
assert error_of(attempt) == "EIO", error_of(attempt)
EOP
	check "in words" says 'error: vol: .*ing (to )?the log: Input/output error'
	is "the image stays served" "$(image vol@latest)" "$before"
	io_fails
	session=$((session + 1))
	check "when the disk is well, it goes on" primary <<EOP
p = Primary(session=($session, 1)).hello()
epoch = p.header().highest_seen + 1
p.whole(epoch, 100 + epoch, 78, 3)
assert Primary().header().last_clean == epoch
assert Primary().at(100 + epoch) == 78
EOP
	before=$(image vol@latest)
	: >"$plugin_log"
done

io_fails read .seg
check "the log can't be read: EIO for who reads" primary <<'EOP'
h = connect("vol@latest")
assert error_of(h.pread, 4096, 5 * CHUNK) == "EIO"
EOP
check "in words" says 'error: vol@latest: reading the log: Input/output error'
io_fails
is "and is served when it can" "$(image vol@latest)" "$before"
: >"$plugin_log"
stop_plugin

start_plugin
check "all is applied" wait_until 60 state_is '.state == "ok"'
io_fails write vol.base
check "an epoch for a base that fails is taken by the log" primary <<'EOP'
p = Primary(session=(20, 1)).hello()
epoch = p.header().highest_seen + 1
p.whole(epoch, 300, 88, 3)
assert Primary().at(300) == 88
EOP
before=$(image vol@latest)
check "the base is named" wait_until 60 state_is \
	'.state == "error" and (.reason | test("vol.base.*Input/output error"))'
is "the image stays served" "$(image vol@latest)" "$before"
io_fails
check "it is applied when the disk is well" wait_until 60 state_is \
	'.state == "ok"'
is "and is the same" "$(image vol@latest)" "$before"
base_is_image() {
	[ "$(sha256sum <"$scratch_dir/vol.base")" = "$before" ]
}
check "so is the base" wait_until 60 base_is_image
io_fails read vol.base
check "the base can't be read: EIO for who reads" primary <<'EOP'
h = connect("vol@latest")
assert error_of(h.pread, 4096, 300 * CHUNK) == "EIO"
EOP
check "and is named" says 'error: .*vol\.base.*Input/output error'
io_fails
is "it is served when it can" "$(image vol@latest)" "$before"
stop_plugin
is "the server ends cleanly" $? 0

# --- a log that is not what it was ----------------------------------------------------
PLUGIN_PRELOAD=
stage_dir=$scratch_dir/good
mkdir "$stage_dir"
rm "$scratch_dir/vol.base"
start_good() {
	start_plugin history=1h log=4MiB "$@"
}
nr_epochs=12
start_good
declare -A sums=()
write_epoch() {
	primary <<EOP
p = Primary(session=($1, 1)).hello()
p.whole($1, 50 * $1, $1, 32)
EOP
}
for ((e = 1; e <= nr_epochs; e++)); do
	write_epoch $e || bail "no epoch $e"
	sums[$(image vol@latest)]=$e
done
stop_plugin
is "every image is another one" ${#sums[@]} $nr_epochs
good=$scratch_dir/good
segments=("$good"/vol.log/*.seg)
check "the log is of several segments" test ${#segments[@]} -gt 1
cp "$scratch_dir/vol.base" "$scratch_dir/base.good"

# Another volume's segment, of the same number.
stage_dir=$scratch_dir/other
mkdir "$stage_dir"
PLUGIN_SOCKET=$scratch_dir/other.sock
start_nbdkit "$PLUGIN_SOCKET" "$plugin_so" "dir=$stage_dir" history=1h \
	log=4MiB "create=vol:$vol_size:$scratch_dir/other.base"
plugin_pid=$nbdkit_pid
write_epoch 3 || bail "no other log"
stop_plugin
foreign=$(echo "$stage_dir"/vol.log/*.seg)
PLUGIN_SOCKET=$scratch_dir/plugin.sock

# verdict: what a server shows of the damaged stage: "refused" (it does not start),
# "error" (it has no latest image), "epoch N"; and "WRONG" for any that never was
verdict() {
	local sum name
	: >"$plugin_log"
	cp "$scratch_dir/base.good" "$scratch_dir/vol.base"
	rm -f "$PLUGIN_SOCKET"
	nbdkit -f -U "$PLUGIN_SOCKET" --exit-with-parent "$plugin_so" \
		"dir=$stage_dir" history=1h log=4MiB 2>>"$plugin_log" &
	nbdkit_pid=$!
	while kill -0 $nbdkit_pid 2>/dev/null && [ ! -S "$PLUGIN_SOCKET" ]; do
		sleep 0.05
	done
	[ -S "$PLUGIN_SOCKET" ] || { echo refused; return; }
	for ((e = 1; e <= nr_epochs; e += 2)); do
		name=vol@$e
		nbdcopy "$(uri "$name")" "$scratch_dir/img" 2>/dev/null || continue
		sum=$(sha256sum <"$scratch_dir/img")
		[ "${sums[$sum]-}" = $e ] || echo "WRONG $name"
	done
	if nbdcopy "$(uri vol@latest)" "$scratch_dir/img" 2>/dev/null; then
		sum=$(sha256sum <"$scratch_dir/img")
		echo "epoch ${sums[$sum]-WRONG}"
	else
		echo error
	fi
	kill_pid $nbdkit_pid
}

# damaged WHAT [-silent] COMMAND...: the stage as it was, then the command in its
# log: no image is wrong, and what is missing is told. -silent: nothing can know it,
# for a power cut leaves the same.
damaged() {
	local what=$1 silent= got
	shift
	[ "$1" != -silent ] || { silent=1; shift; }
	stage_dir=$scratch_dir/bad
	rm -rf "$stage_dir"
	cp -a "$good" "$stage_dir"
	(cd "$stage_dir/vol.log" && "$@") || bail "cannot damage: $what"
	verdict >"$scratch_dir/verdict"
	got=$(tr '\n' ' ' <"$scratch_dir/verdict")
	seen[${got%% *}]=1
	check "$what: no image that never was ($got)" \
		not_in WRONG "$scratch_dir/verdict"
	[ "$got" = "epoch $nr_epochs " ] || [ -n "$silent" ] ||
		check "  what is missing is told" \
			says 'error: .*(log .*is damaged|of the log is missing)'
}

not_in() {
	! grep "$1" "$2"
}

flip() {
	local byte
	byte=$(od -An -tu1 -j"$2" -N1 "$1")
	printf "\\x$(printf %x $((byte ^ 16)))" |
		dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

declare -A seen=()
first=${segments[0]##*/} last=${segments[-1]##*/}
damaged "nothing" true
is "all is there" "$(cat "$scratch_dir/verdict")" "epoch $nr_epochs"
is "and nothing is told" "$(cat "$plugin_log")" ""
for at in 0 40 60 4096 5000 20000 400000; do
	damaged "$first: byte $at is another" flip "$first" $at
	damaged "$last: byte $at is another" flip "$last" $at
done
for size in 0 4096 300000; do
	damaged "$first: cut at $size" truncate -s $size "$first"
	damaged "$last: cut at $size" -silent truncate -s $size "$last"
done
damaged "$first: removed" rm "$first"
damaged "$first: no record is good" flip "$first" 4096
check "  it is told from where on" says "does not count from segment $((10#${first%.seg})) on"
damaged "$last: removed" -silent rm "$last"
damaged "$first: another log's" cp "$foreign" "$first"
damaged "$last: another log's" cp "$foreign" "$last"
is "some cost an image, some an epoch" "${seen[error]-}${seen[epoch]-}" 11

# --- a group --------------------------------------------------------------------------
stage_dir=$scratch_dir/group
mkdir "$stage_dir"
start_group() {
	start_nbdkit "$PLUGIN_SOCKET" "$plugin_so" "dir=$stage_dir" history=1h \
		log=4MiB "create=g/a:8MiB:$scratch_dir/a.base" \
		"create=g/b:8MiB:$scratch_dir/b.base"
	plugin_pid=$nbdkit_pid
}
start_group
check "epochs of a group" primary <<'EOP'
p = [Primary(e, members=2).hello() for e in "ab"]
for epoch in range(1, 6):
    for m in p:
        m.open(epoch)
        m.write(50 * epoch, epoch, 40)
    for m in p:
        m.commit(epoch)
EOP
stop_plugin
segments=("$stage_dir"/g.log/*.seg)
check "they are in several segments" test ${#segments[@]} -gt 1
flip "${segments[0]}" 4096
: >"$plugin_log"
start_group
check "damage of their log is told" says 'error: g: the log is damaged'
group_holds() {
	replicactl status --json --target "$(uri b)" | json_holds "$1"
}
check "a status has it, and what to do" group_holds '(.notices | length) == 1 and
	(.notices[0].text | test("^g: the log is damaged")) and
	(.notices[0].next_step | test("0000000001.seg.lost"))'
check "in words" grep -q '^notice: g: the log is damaged' \
	<(replicactl status --target "$(uri b)")
is "which --check minds" "$(replicactl status --check --target "$(uri b)" >/dev/null
	echo $?)" 4
stop_plugin
is "once" "$(grep -cE 'error: g: the log is damaged' "$plugin_log")" 1
start_group
check "the next server's status has it too" group_holds \
	'.notices[0].text | test("is kept in .*/g.log|g: the log is damaged")'
rm "$stage_dir"/g.log/*.seg.lost
check "until what was kept is gone" group_holds '.notices == []'
stop_plugin
finish

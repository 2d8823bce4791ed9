#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: one member of a group would show an epoch
# that another has not, after a crash too (S7); or any pair's primary could write
# where create= was told whose it is.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

start_group() {
	start_nbdkit "$PLUGIN_SOCKET" "$plugin_so" "$stage_dir" history=1h \
		"create=g/a:8MiB:$scratch_dir/a.base" \
		"create=g/b:8MiB:$scratch_dir/b.base" \
		pair="$(printf 'p%.0s' {1..16} | od -An -tx1 -v | tr -d ' \n')" \
		chunk=4KiB
}

start_group
check "the last member's header commits" primary <<'EOP'
p = [Primary(e, members=2).hello() for e in "ab"]
for epoch in range(1, 10):
    for m in p:
        m.open(epoch)
        m.write(0, epoch)
    p[epoch % 2].commit(epoch)
    assert {Primary(e).at(0) for e in "ab"} == {epoch - 1}
    p[1 - epoch % 2].commit(epoch)
    assert {Primary(e).at(0) for e in "ab"} == {epoch}
for m in p:
    m.open(10)
    m.write(0, 10)
p[0].commit(10)
EOP
kill_pid $nbdkit_pid
start_group
check "a half of an epoch is none, after a crash" primary <<'EOP'
assert {Primary(e).at(0) for e in "ab"} == {9}
assert {Primary(e).header().last_clean for e in "ab"} == {9}
assert {read_all(e + "@5")[0] for e in "ab"} == {5}
EOP
check "another pair cannot begin" primary <<'EOP'
p = Primary("a", members=2, session=(5, 5), pair=b"q" * 16)
assert error_of(p.hello) == "EPERM"
EOP
check "nor where nobody has written yet" primary <<EOP
import subprocess, time
sock = "$scratch_dir/new.sock"
subprocess.Popen(["nbdkit", "-f", "-U", sock, "--exit-with-parent",
    "$plugin_so", "$(mktemp -d -p "$scratch_dir")", "pair=" + "71" * 16,
    "create=n:1MiB:$scratch_dir/n.base"])
for _ in range(1200):
    if os.path.exists(sock):
        break
    time.sleep(0.05)
assert error_of(Primary("n", socket=sock).hello) == "EPERM"
Primary("n", socket=sock, pair=b"q" * 16).hello()
EOP
check "in words" says "a: belongs to another pair"
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a stage would let a primary believe that it
# knows what is on a base which others could write to, before any clean epoch of
# that primary was there (L3).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

# dirty WHEN EPOCH PAIRS: whoever reads it
dirty() {
	local copy=$scratch_dir/dirty
	nbdcopy "$(uri vol@dirty)" "$copy.nbdcopy" &&
		qemu-img convert -f raw -O raw "$(uri vol@dirty)" \
			"$copy.qemu-img" || bail "it cannot be copied"
	check "$1" primary <<EOP
assert list_pairs(read_all("vol@dirty"), $2) == $3
for tool in "nbdcopy", "qemu-img":
    found = list_pairs(open("$copy." + tool, "rb").read(), $2)
    assert found == $3, (tool, found)
EOP
	check "  of all of which it has a map" eval \
		'nbdinfo --map "$(uri vol@dirty)" >"$scratch_dir/map"'
}

everything="[(0, 8 * MIB)]"
head -c 8388608 /dev/urandom >"$scratch_dir/vol.base"
start_plugin history=1h
dirty "a base that had something: all of it" 0 "$everything"
nbdinfo --can multi-conn "$(uri vol@dirty)"
is "one list is read by one connection: two may have been told of two" $? 2
check "it is listed" eval 'nbdinfo --list "$(uri "")" |
	grep -q "^export=.vol@dirty"'
primary <<'EOP'
p = Primary().hello()
p.whole(1, 0, 65, 2048, PARTIAL)
EOP
dirty "all was sent, and is in no image yet" 0 "$everything"
kill_pid $plugin_pid
start_plugin history=1h
dirty "after kill -9, too" 0 "$everything"
check "a list that is open stays as it was" primary <<'EOP'
before = connect("vol@dirty")
p = Primary(session=(2, 1)).hello()
p.whole(2, 1, 66)
assert struct.unpack_from("<Q", before.pread(4096, 0), 32) == (1,)
EOP
dirty "a clean epoch: nothing" 2 "[]"
check "what comes after it is known to who sends it" primary <<'EOP'
p = Primary(session=(3, 1)).hello()
p.whole(3, 2, 67, kind=PARTIAL)
p.open(4)
p.write(3, 68)
EOP
dirty "so that is nothing still" 2 "[]"
kill_pid $plugin_pid
start_plugin history=1h
dirty "and is after kill -9" 2 "[]"
stop_plugin
finish

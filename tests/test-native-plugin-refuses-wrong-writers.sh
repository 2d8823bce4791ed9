#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a writer that has no business here would
# change the replica, or be turned away without a word why (P5, P6).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"

# no WHAT ERRNO REGEX <<EOF: what it does, as p, is refused and logged so
no() {
	: >"$plugin_log"
	check "$1: $2" primary <<EOP
p = Primary(session=(5, 1))
def attempt():
$(sed 's/^/    /')
got = error_of(attempt)
assert got == "$2", got
EOP
	check "in words" says "error: vol: .*($3)"
}

start_plugin history=1h
primary <<'EOP'
Primary(session=(5, 1)).hello().whole(7, 0, 65, 16)
EOP
cmp_image() {
	nbdcopy "$(uri vol@latest)" "$scratch_dir/now"
	sha256sum <"$scratch_dir/now"
}
before=$(cmp_image)
no "an older session" ESHUTDOWN "superseded by session 5\.1" <<<"
p.hello(session=(4, 9, 7))"
no "a twin" ESHUTDOWN "superseded" <<<"p.hello(session=(5, 1, 8))"
no "another pair" EPERM "belongs to another pair" <<<"
p.hello(session=(9, 1, 7), pair=b'q' * 16)"
no "another volume" EPERM "is of another volume" <<<"
p.hello(session=(9, 1, 7), volume=b'w' * 16)"
no "another generation" EPERM "of an unrelated generation" <<<"
p.hello(session=(9, 1, 7), generation=0x99)"
no "another size" EINVAL "8388608 bytes here, 512 there" <<<"
p.hello(session=(9, 1, 7), bytes=512)"
no "a size that the disk never had" EINVAL \
	"it grows to no more than [0-9]+, which is what its base is on" <<<"
p.hello(session=(9, 1, 7), bytes=1 << 49)"
no "another chunk size" EINVAL "chunks of 4096 bytes here" <<<"
p.hello(session=(9, 1, 7), chunk=8192)"
no "a group" EINVAL "a group of 1 here, of 2 there" <<<"
p.hello(session=(9, 1, 7), members=2)"
no "data without hello" EINVAL "no hello on this connection yet" <<<"
p.write(0, 1)"
no "an open without hello" EINVAL "no hello on this" <<<"p.open(8)"
no "data without an open epoch" EINVAL "data without an open epoch" <<<"
p.hello().write(0, 1)"
no "a number that was used" EINVAL "opened after its commit|epoch 7 is not" <<<"
p.hello().open(7)"
no "a number out of reach" EINVAL "not above 7, .* by less than" <<<"
p.hello().open(8 + 2**32)"
no "a commit of nothing" EINVAL "epoch 9 is not open" <<<"
p.hello().commit(9, records=1)"
no "another epoch's commit" EINVAL "epoch 12 is not open" <<<"
p.hello().open(11); p.commit(12, records=1)"
no "a wrong count (W2)" EINVAL "epoch 13 has 1 records" <<<"
p.hello().open(13); p.write(1, 1); p.commit(13, records=2)"
no "a wrong digest" EINVAL "epoch 14 has 1 records of digest" <<<"
p.hello().open(14); p.write(1, 1); p.commit(14, digest=5)"
no "a late header" EINVAL "header 1 after" <<<"
p.hello(); p.send(HEARTBEAT, seq=1)"
no "a header in the wrong slot" EINVAL "is not in its slot" <<<"
p.hello(); p.send(HEARTBEAT, at=tail_of(p.bytes) + p.header().seq % 2 * 4096)"
no "a torn header" EINVAL "header: torn or corrupt" <<<"
p.hello().h.pwrite(b'dmReplHd'.ljust(4096), tail_of(p.bytes))"
no "a format to come" EINVAL "header: .*version" <<<"
p.hello()
slot = later(p.encode(HEARTBEAT, 0, p.header().seq + 1))
p.h.pwrite(slot, tail_of(p.bytes) + (p.header().seq + 1) % 2 * 4096)"
no "data in the tail" EINVAL "go beyond the volume's end" <<<"
p.hello().open(20); p.write(2048 + 2, 1)"
no "data into the tail" EINVAL "go beyond the volume's end" <<<"
p.hello().open(21); p.write(2047, 1, 2)"
no "zeros over the tail" EINVAL "go beyond the volume's end" <<<"
p.hello().open(22); p.zero(2047, 8)"
no "half a block" EINVAL "100 bytes at 0 are not whole blocks" <<<"
p.hello().open(23); p.h.pwrite(bytes(100), 0)"
stop_plugin
start_plugin history=1h max_size=9MiB
no "more than max_size" EINVAL "16777216 there; it grows to no more than 9437184" \
	<<<"p.hello(session=(9, 1, 7), bytes=1 << 24)"
is "the image is what it was" "$(cmp_image)" "$before"
check "and a good writer goes on" primary <<<"
Primary(session=(5, 1)).hello().whole(30, 3, 66)
assert Primary().at(3) == 66"

# Its heir has been here since: what was said above of another generation.
heir() {
	primary <<<"
p = Primary(session=($1, 1), generation=0x22, ancestors=[(0x11, 30)])
p.hello().whole($2, 4, 67)"
}
check "one of a newer generation, which names it" heir 6 31
before=$(cmp_image)
no "an older generation" EPERM "of an older generation" <<<"
p.hello(session=(9, 1, 7))"
is "the image is what it was" "$(cmp_image)" "$before"
check "and the newer one goes on" heir 6 32
finish

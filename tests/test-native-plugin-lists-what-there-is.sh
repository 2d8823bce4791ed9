#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a client would not be told what a server
# has, or a name would reach something that is no export of a known volume.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_cmd jq

info() {
	nbdinfo --json "$(uri "$1")" | jq -r ".exports[0][\"$2\"]"
}

cannot_open() {
	refuses "$1 is refused" . nbdinfo "$(uri "$2")"
	check "and it is said why" says "$3"
}

start_plugin history=1h
primary <<'EOP'
p = Primary().hello()
p.whole(1, 0, 65)
p.whole(2, 1, 66)
p.whole(3, 2, 67, kind=PARTIAL)
p.open(4)
EOP
list=$(nbdinfo --list "nbd+unix:///?socket=$PLUGIN_SOCKET" |
	sed -n 's/^export="\(.*\)":/\1/p' | tr '\n' ' ')
is "the exports" "$list" "vol vol@latest vol@history vol@sum vol@above vol@dirty vol@2 vol@1 "
is "the only volume is the default" "$(nbdinfo --size "$(uri "")")" 8454144
is "an image has the volume's size" "$(nbdinfo --size "$(uri vol@1)")" 8388608
is "digests: 16 bytes a chunk" "$(nbdinfo --size "$(uri vol@sum)")" 32768
is "smallest request" "$(info vol block_size_minimum)" 512
is "best" "$(info vol block_size_preferred)" 4096
is "largest" "$(info vol block_size_maximum)" 33554432
for f in can_multi_conn can_fua can_flush can_zero can_fast_zero can_trim; do
	is "VOL: $f" "$(info vol $f)" true
done
is "VOL@EPOCH: connections see the same" "$(info vol@1 can_multi_conn)" true
is "VOL@latest: they need not" "$(info vol@latest can_multi_conn)" false
for e in vol@1 vol@latest vol@sum vol@above vol@dirty; do
	is "$e is read only" "$(info $e is_read_only)" true
done
is "what VOL is" "$(info vol description | sed 's/ of .*Z,/,/')" \
	"replica, epoch 2, state ok"
cannot_open "an epoch without an image yet" vol@3 "vol@3: no such epoch: .* 2$"
cannot_open "an epoch to come" vol@4 "vol@4: no such epoch"
cannot_open "epoch 0" vol@0 "vol@0: no such epoch"
cannot_open "a number too large" vol@99999999999999999999 "9999: no such epoch"
cannot_open "a word" vol@lates "vol@lates: the volume has no such export"
cannot_open "a path" ../stage/vol "\.\./stage/vol: there is no such volume"
cannot_open "a newline" x%0Aok "x.x0aok: there is no such volume"
cannot_open "a long name" "$(printf 'v%.0s' {1..3000})" "vvvv\.\.\.: there is"
cannot_open "a dirty list of an epoch" vol@dirty@1 "vol@dirty@1: the volume has no"
is "no line of the log is the client's" "$(grep -vc '^nbdkit: ' "$plugin_log")" 0
stop_plugin
is "a clean stop" $? 0
start_plugin "create=other:1MiB:$scratch_dir/other.base"
refuses "two volumes: there is no default" . nbdinfo "$(uri "")"
is "a new one" "$(info other description)" "replica, no image yet"
finish

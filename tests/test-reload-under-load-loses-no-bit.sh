#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this fails, a table reload, a suspend or a resume while an epoch is open
# loses the epoch, a dirty bit or a write.
# lab: kernels timeout=400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-kmod.sh"
load_module
seconds=${DMR_SOAK_SECONDS:-20}
make_volume first 16
make_volume a 8
make_volume b 8
a=/dev/mapper/first view=/dev/mapper/first-dmr-view
table=$(dmsetup table first)

ctl "an open epoch and its view survive a reload" first <<EOF
attach
cut next
wait frozen
release all
end commit
write $a 0 16 1
cut next
wait frozen
write $a 0 8 2
run dmsetup reload first --table '$table'
run dmsetup suspend first
read $view 0 16 1
run dmsetup resume first
write $a 8 8 3
read $view 0 16 1
expect nr_frozen=2 nr_dirty=2 nr_preserved=2 epoch!=0
release all
end commit
expect nr_dirty=2
EOF

start_writer --chains 4 --max 65536 --zero 5 --pause 500 -- a b
dm-turn a b >"$scratch_dir/turns" &
turner=$!
cleanup_fn kill $turner
ship_specs a b
check "epochs stay closed under suspends and reloads" timeout \
	$((300 * ${DMR_SLOW:-1})) oracle-ship \
	--seconds "$seconds" --abort 10 --keep 10 --fuzzy 10 --delay 3000 \
	--clean 2 "$oracle_state" "${specs[@]}"
kill $turner
check_ended "every suspend, reload and resume was taken" $turner \
	"$scratch_dir/turns"
check_writer "no write failed"
check_dmesg
finish

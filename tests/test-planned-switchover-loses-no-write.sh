#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: with the real module, a program that writes
# while its volume is handed over could be told that something is written which
# the other site does not get.
# lab: timeout=400
. "$(dirname "$0")/lib.sh"
requires_root
requires_cmd nbdkit rpc-call jq losetup
modprobe loop || skip_all "needs the module loop"
load_module
. "$(dirname "$0")/lib-two-sites.sh"

# write_record DEVICE N: durably, without a claim
write_record() {
	printf '%-4096s' "record $2" | dd of="$1" bs=4096 seek=$(($2 % 64)) \
		oflag=sync conv=notrunc status=none 2>/dev/null
}

# Each number that is noted was acknowledged. It ends with the first error.
write_on() {
	local n=0
	while write_record /dev/mapper/first $((n + 1)); do
		n=$((n + 1))
		echo "$n ${EPOCHREALTIME/,/.}" >>"$scratch_dir/written"
	done
}

last_written() {
	tail -n 1 "$scratch_dir/written" | cut -d ' ' -f "$1"
}

has_written() {
	[ "$(($(last_written 1)))" -ge "$1" ]
}

# hands_over: it is refused whenever the writer has the device open just then
hands_over() {
	for _ in $(seq 60); do
		if a replicactl failover first --planned \
				>"$scratch_dir/says" 2>&1; then
			return 0
		fi
		grep -q "is in use" "$scratch_dir/says" || break
		kill -0 $writer || break
	done
	cat "$scratch_dir/says"
	return 1
}

# has_records DEVICE LAST: the newest of each place
has_records() {
	local n
	for ((n = $2; n > $2 - 64 && n > 0; n--)); do
		dd if="$1" bs=4096 skip=$((n % 64)) count=1 iflag=direct \
			status=none | grep -q "^record $n *\$" || {
			echo "record $n is not there"
			return 1
		}
	done
}

make_null disk0 32
make_null meta0 16
make_dm first "0 $(sectors_of /dev/disk0) linear /dev/disk0 0"
start a
a_pid=$pid
start b
b_pid=$pid
b replicactl pair invite p --address 127.0.0.1:10997 --listen 127.0.0.1 \
	--dir "$stage" --history 1h --create "second:32MiB:$scratch_dir/base" \
	>"$scratch_dir/token" || bail "no invitation"
a replicactl pair join p <"$scratch_dir/token" || bail "no pair"
check "enabled" a replicactl enable first --target pair:p/second \
	--metadata /dev/meta0 --interval 100ms
check "it replicates" wait_until 120 eval \
	'[ "$(a rpc-call get first state)" = replicating ]'
: >"$scratch_dir/written"
write_on &
writer=$!
cleanup_fn end $writer
wait_until 60 has_written 20 || bail "it does not write"
check "handed over, below the writer" hands_over
wait $writer
last=$(last_written 1)
note "the last of $last writes at A was acknowledged; then it got an error"
refuses "nobody writes there any more" "error" \
	dd if=/dev/zero of=/dev/mapper/first bs=4k count=1 oflag=direct
check "B takes it over" b replicactl failover second --force
cleanup_fn forget_b_device
check "and is written to" write_record /dev/mapper/second $((last + 1))
note "pause: $(awk -v a="$(last_written 2)" -v b="${EPOCHREALTIME/,/.}" \
	'BEGIN { printf "%.1f", b - a }') s (goal: 3)"
check "all that was acknowledged is there" has_records /dev/mapper/second \
	$((last + 1))

end $a_pid
start a
check "A stays closed" wait_until 60 eval \
	'[ "$(a rpc-call get first state)" = superseded ]'
is "in the kernel, too" "$(dmsetup status first | awk '{ print $4 }')" secondary
check "it can be disabled" a replicactl disable first
is "then it is a plain device" "$(dmsetup table first | awk '{ print $3 }')" linear
kill -TERM $pid
wait $pid
is "A stops cleanly" $? 0
kill -TERM $b_pid
wait $b_pid
is "B, too" $? 0
check_dmesg
finish

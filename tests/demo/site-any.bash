# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash disable=SC2154
# Steps that either site takes: it may become the other's replica, or take over.

plugin=$project/daemon/nbdkit-replica-plugin.so
config=/run/replicad.conf
acks=/run/acks

write_config() {
	printf '[replicad]\nplugin=%s\n' "$plugin" >$config
}

# offer PAIR ADDRESS STAGE BYTES BASE: prints the token.
offer() {
	mkdir -p "$3"
	replicactl pair invite "$1" --address "$2:10811" --dir "$3" \
		--history 1h --create "bank:$(($4 / 1024))KiB:$5"
}

# join PAIR TOKEN
join() {
	replicactl pair join "$1" <<<"$2" >&2
}

# take_over: prints epoch, lost_s, and how long it took.
take_over() {
	local since=${EPOCHREALTIME/./}
	replicactl failover bank --force --json |
		tee /dev/stderr >/run/failover.json &&
		[ -b /dev/mapper/bank ] || return
	jq -r '"epoch=\(.epoch)\nlost_s=\(.lost_s)"' /run/failover.json
	echo "ms=$(((${EPOCHREALTIME/./} - since) / 1000))"
}

# mount_bank: prints how long it took.
mount_bank() {
	local since=${EPOCHREALTIME/./}
	mkdir -p $mnt && mount /dev/mapper/bank $mnt || return
	echo "ms=$(((${EPOCHREALTIME/./} - since) / 1000))"
}

# check_bank: in a copy, as after a power cut.
check_bank() {
	rm -rf /tmp/bank && mkdir /tmp/bank && cp $mnt/bank.db* /tmp/bank &&
		sqlite3 -batch -list /tmp/bank/bank.db <"$here/bank-check.sql" |
		tr '|' '\n'
}

run_bank() {
	: >$acks
	start bank.log "$here/bank" $mnt/bank.db $acks
	echo "$started" >/run/bank.pid
}

# go_on N: waits for so many transfers more; prints the last one.
go_on() {
	local before
	before=$(wc -l <$acks)
	until_true 150 has_lines $((before + $1)) || return
	last_ack
}

has_lines() {
	[ "$(wc -l <$acks)" -ge "$1" ]
}

last_ack() {
	tail -n 1 $acks | cut -d ' ' -f 1
}

# end_bank: it finishes what it has begun; prints the last transfer.
end_bank() {
	local pid
	pid=$(cat /run/bank.pid)
	kill "$pid" && until_true 60 test ! -d "/proc/$pid" || {
		ps -eo pid,ppid,stat,wchan:24,args >&2
		return 1
	}
	umount $mnt && last_ack
}

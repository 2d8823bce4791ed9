#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, "doctor" would be silent about a target that replicad refuses,
# lose a finding whose text no JSON can hold, or tell a user who is not root that
# files are missing which are there.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
. "$(dirname "$0")/lib-doctor.sh"
requires_cmd jq setpriv

# --- targets -----------------------------------------------------------------------
target() {
	configure "[volume a]\ntarget=$1\n"
}
broken bad target 'a: ftp://x/y: ' 'replica.conf' target ftp://x/y
broken bad target 'a: nbd://: ' 'replica.conf' target nbd://
broken bad target 'a: nbds://h/\?tls-foo=1: ' 'replica.conf' \
	target 'nbds://h/?tls-foo=1'
broken bad target 'a: pair:there: the pair there: there is none' 'pair --help' \
	target pair:there
broken bad target 'a: pair:a b: pair:a b: want pair:NAME' \
	'pair --help' target 'pair:a b'
broken ok config '1 volume' '' target stage:/x/a
check "a target here is no URI" json_holds \
	'[.findings[] | select(.check == "target")] == []' <"$out"

# pair ROLE: of this site; nobody listens at port 1
pair() {
	local pairs=$root/var/lib/replica/pairs
	target pair:there
	put "$pairs/there.json" "$(printf '{"schema_version": 1, "name": "there",
		"pair_id": "%032d",
		"address": "127.0.0.1:1", "receiver": %s, "listen": ""}' 1 "$1")"
	put "$pairs/there.key" 'id:00\n'
	chmod 600 "$pairs"/there.*
}
broken bad port '127.0.0.1 port 1: Connection refused' 'firewall' pair false
found ok tls '/var/lib/replica/pairs/there.key is there'
chmod 644 "$root/var/lib/replica/pairs/there.key"
doctor 4
found bad tls 'pairs/there.key can be read by others' 'chmod 600'
broken bad target 'this side receives' 'pair' pair true

# --- text that is no UTF-8 ------------------------------------------------------------
spool_at() {
	configure "[volume a]\ntarget=local:/x\nspool=$1/a\n"
}
broken bad config ':3: the line is not UTF-8' 'right' spool_at '/no\xffwhere\xc3'
broken bad space '/né€𝄞: No such' 'folder' spool_at /né€𝄞
broken bad config ':3: the line is not UTF-8' 'right' spool_at '/\xed\xa0\x80'

# --- a user who is not root -------------------------------------------------------------
requires_root
chmod 755 "$scratch_dir"
# as_nobody ARGUMENT...: doctor, which finds nothing bad
as_nobody() {
	chmod 711 "$root" && timeout 120 setpriv --reuid=65534 --regid=65534 \
		--clear-groups replicactl doctor --root "$root" --json "$@" >"$out"
	is "nobody's doctor finds nothing bad" $? 0
}
says status '{"result": {"verdict": "ok", "volumes": []}}'
chmod 777 "$socket"
make_good
configure '[volume a]\ntarget=nbds://me@127.0.0.1:1/?tls-psk-file=/secret/key\n'
put "$root/secret/key" 'me:00\n'
put "$root/var/lib/replica/volumes.conf" '[volume b]\ntarget=local:/x\n'
chmod 700 "$root/secret" "$root/var/lib/replica"
chmod 700 "$root/etc/replica"
as_nobody
found warn config '/etc/replica/replica.conf cannot be looked at' 'as root'
chmod 755 "$root/etc/replica"
sed -i 's|^target=.*|target=nbds+unix://me@/?socket=/x\&tls-psk-file=/secret/key|' \
	"$root/etc/replica/replica.conf"
as_nobody
found warn config 'volumes.conf cannot be looked at' 'as root'
found ok config '1 volume'
found warn tls '/secret/key cannot be looked at' 'as root'
configure '[volume a]\ntarget=nbds+unix:///?socket=/x&tls-certificates=/secret&tls-hostname=h\n'
as_nobody
found warn tls '/secret/ca-cert.pem cannot be looked at' 'as root'
configure '[volume a]\ntarget=local:/x\nspool=/secret/deep/a\n'
as_nobody
found warn space '/secret/deep cannot be looked at' 'as root'
configure '[volume a]\ntarget=pair:there\n'
put "$root/var/lib/replica/pairs/there.json" '{}'
as_nobody
found warn target 'pair:there cannot be looked at' 'as root'
configure '[volume a]\ntarget=local:/x\n'
put "$root/sys/kernel/security/lockdown" 'none [integrity]\n'
chmod 700 "$root/sys/kernel/security"
as_nobody
found warn secure-boot 'cannot be looked at' 'as root'
chmod 700 "$socket"
as_nobody
found warn replicad 'its socket cannot be looked at' 'as root'
finish

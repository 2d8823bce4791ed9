#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, "doctor" would overlook what keeps replication from working,
# complain where all is well, or name no remedy.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cli-lib.sh"
. "$(dirname "$0")/lib-doctor.sh"
requires_cmd certtool nbdkit
make_good
doctor 0
json 'all(f["level"] == "ok" for f in d["findings"])'
json 'd["schema_version"] == 1 and d["verdict"] == "ok" and len(d["findings"]) >= 9'

broken bad kernel 'older than 6\.1' 'boot a kernel' \
	put "$root/proc/sys/kernel/osrelease" '5.10.0-1\n'
broken warn kernel 'not known' 'mount' rm "$root/proc/sys/kernel/osrelease"
broken bad module 'and not loaded' 'modprobe dm-replica' \
	rm -r "$root/sys/module"
broken bad module 'no dm-replica for kernel 6\.1\.0-1' 'dkms' \
	rm -r "$root/sys/module" "$ko"
broken bad device-mapper 'no /dev/mapper/control' 'modprobe dm-mod' \
	rm "$root/dev/mapper/control"
unsigned() {
	rm -r "$root/sys/module"
	put "$efi" '\x06\x00\x00\x00\x01'
}
broken bad secure-boot 'signed modules only' 'mokutil' unsigned
put "$efi" '\x06\x00\x00\x00\x00'
doctor 4
found ok secure-boot 'is off'
put "$root/sys/kernel/security/lockdown" 'none [integrity] confidentiality\n'
doctor 4
found bad secure-boot 'signed' mokutil
broken bad io_uring 'switched off' 'io_uring_disabled=0' \
	put "$root/proc/sys/kernel/io_uring_disabled" '2\n'
broken warn nbdkit 'missing' 'apt-get' rm "$root/usr/sbin/nbdkit"
broken warn nbd-client 'missing' 'apt-get' rm "$root/usr/sbin/nbd-client"
broken warn boot 'replica-insert' 'systemctl enable' \
	rm "$root/etc/systemd/system/sysinit.target.wants/replica-insert.service"
broken warn boot 'replicad.service' 'systemctl enable' \
	rm "$root/etc/systemd/system/multi-user.target.wants/replicad.service"
broken warn clock 'not synchronized' 'chrony' \
	rm "$root/run/systemd/timesync/synchronized"

# --- configuration, keys, certificates, ports, space ------------------------------
broken bad config 'replica.conf:2: there is no key "targt"' 'put it right' \
	configure '[volume a]\ntargt=local:/x\n'
at_run_time() {
	put "$root/var/lib/replica/volumes.conf" '[volume a]\nwindow=1\n'
}
broken bad config 'volumes.conf:2: window=1 is out of range' 'by hand' at_run_time
broken warn metadata 'a has none' 'metadata' \
	configure '[volume a]\ntarget=local:/x\nmetadata=none\n'
make_good
origin=$'[volume a]\ntarget=pair:p\nmetadata=/dev/m\norigin=/dev/o\n'
configure "$origin"
doctor 4
found warn boot 'a comes up at a boot without asking' 'activation=ask'
configure "$origin"$'activation=ask\n'
doctor 4
check "who asks is in order" eval '! grep -q "without asking" "$out"'
opened() {
	configure "$2"
	chmod "$1" "$root/etc/replica/replica.conf"
}
broken bad config 'replica.conf can be written by others' \
	'chmod go-w /etc/replica/replica.conf' opened 666 ''
secret='[backend b]\nreplication_device=backend_id:x,host:h,san_password:p\n'
broken warn config 'replica.conf can be read by anybody.* secret in line 2' \
	'chmod o-r /etc/replica/replica.conf' opened 644 "$secret"
dropped_in() {
	put "$root/etc/replica/replica.conf.d/x.conf" "$secret"
	chmod 646 "$root/etc/replica/replica.conf.d/x.conf"
}
broken bad config 'replica.conf.d/x.conf can be written' 'go-w' dropped_in
found warn config 'replica.conf.d/x.conf can be read by anybody' 'o-r'
make_good
opened 640 "$secret"
doctor 0
check "what only root's group can read is in order" eval '! grep -qE "can be (read by|written)" "$out"'

# Nobody listens at port 1; at another, an nbdkit does.
key='nbds://me@127.0.0.1:1/?tls-psk-file=/etc/replica/key'
broken bad tls '/etc/replica/key: No such file' 'make it' \
	configure "[volume a]\ntarget=$key\n"
found bad port '127.0.0.1 port 1: Connection refused' 'firewall'
open_key() {
	configure "[volume a]\ntarget=$key\n"
	put "$root/etc/replica/key" "$1"
	chmod "${2-644}" "$root/etc/replica/key"
}
broken bad tls 'can be read by others' 'chmod 600' open_key 'me:secretsecret\n'
is "the key is not told" "$(grep -c secretsecret "$out")" 0
broken bad port 'port 1' 'firewall' open_key 'me:00\n' 600
found ok tls 'for its owner only'
port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0))
print(s.getsockname()[1])')
nbdkit -f -i 127.0.0.1 -p "$port" null &
server=$!
end_server() {
	kill $server
}
cleanup_fn end_server
listens() {
	timeout 5 bash -c "exec 3<>/dev/tcp/127.0.0.1/$port"
}
check "a server listens" wait_until 60 listens
broken warn tls 'in clear' 'pair' \
	configure "[volume a]\ntarget=nbd://127.0.0.1:$port/\ntls=off\n"
found ok port 'can be reached'
# A name that cannot be: no answer of a name server is waited for.
broken bad port 'no.invalid port 10809' 'firewall' \
	configure '[volume a]\ntarget=nbd://no.invalid/\ntls=off\n'

make_certificate() {
	mkdir -p "$root/pki"
	printf 'cn = x\nexpiration_days = %s\nca\n' "$1" >"$scratch_dir/template"
	certtool --generate-privkey --key-type ed25519 --outfile "$scratch_dir/key.pem" \
		>/dev/null 2>&1
	certtool --generate-self-signed --template "$scratch_dir/template" \
		--load-privkey "$scratch_dir/key.pem" \
		--outfile "$root/pki/client-cert.pem" >/dev/null 2>&1
	cp "$root/pki/client-cert.pem" "$root/pki/ca-cert.pem"
	configure "[volume a]\ntarget=nbds://127.0.0.1:$port/?tls-certificates=/pki\n"
}
broken warn tls 'client-cert.pem expires in [0-9]+ days' 'renew' make_certificate 9
broken ok tls 'client-cert.pem is good for [0-9]+ days' '' make_certificate 300
no_certificate() {
	make_certificate 300
	rm "$root/pki/ca-cert.pem"
}
broken bad tls 'ca-cert.pem cannot be read' 'PEM' no_certificate
spool() {
	mkdir -p "$root/spool"
	configure '[volume a]\ntarget=local:/x\nspool=/spool/a\nspool_size=64TiB\n'
}
broken bad space 'may need 64.0 TiB' 'smaller spool_size' spool
broken bad space '/nowhere: No such file' 'folder' \
	configure '[volume a]\ntarget=local:/x\nspool=/nowhere/a\n'

# --- the daemon ------------------------------------------------------------------------
make_good
says status '{"result": {"verdict": "degraded", "volumes": [{"name": "a",
	"state": "paused", "reason": "by an operator", "next_step": "go on"}]}}'
doctor 0
found warn volume 'a: paused: by an operator' '^go on$'
encrypts() {
	says status '{"result": {"verdict": "ok", "volumes": [{"name": "a",
		"state": "replicating", "reason": "", "tls": "'$1'"}]}}'
	doctor 0
}
encrypts kernel
found ok tls 'a: the kernel encrypts'
encrypts userspace
found warn tls 'a: replicad encrypts' 'modprobe tls'
put "$root/proc/net/tls_stat"
encrypts userspace
found ok tls 'a: replicad encrypts.*the kernel cannot'
says status '{"hangup": true}'
doctor 4
found bad replicad 'does not run' 'systemctl start'
ctl 4 doctor --root "$root"
out_has '^ok   kernel: 6\.1\.0-1-amd64$'
out_has '^bad  replicad: does not run'
out_has '^     remedy: systemctl start replicad'
out_has '^[0-9]+ checked, 1 bad, 0 to look at\.$'
ctl 4 doctor --root "$root" --config /etc/other.conf
check "of this machine, too" eval 'replicactl doctor --json >"$out"; [ $? = 0 ] ||
	[ "$(jq -r .verdict "$out")" = bad ]'
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: a user who is neither root nor in the group
# replica could change something, see others' volumes, or learn of hosts, backends,
# pairs, lag, or the errors that name them; or could keep all others out.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
requires_cmd jq replicactl setpriv
[ "$(id -u)" = 0 ] || skip_all "needs root, to become another user"
user=$(id -un 65534 2>/dev/null) || skip_all "there is no user 65534"
chmod 711 "$scratch_dir"
bin=$scratch_dir/bin
mkdir "$bin"
for program in replicactl rpc-call; do
	cp "$(command -v $program)" "$bin/" || bail "no $program"
done

tenant() {
	(cd / && timeout 60 setpriv --reuid=65534 --regid=65534 --clear-groups \
		env "PATH=$bin:$PATH" HOME=/ "$@")
}
# What no tenant is to read, of anything that is here.
secrets="$scratch_dir|[.]nbd|site-b|paris|nbd[+]unix|lag|hidden|secretgroup|epoch"
# tells_nothing DESCRIPTION FILE: but the paths of the program itself
tells_nothing() {
	check "$1" eval '! grep -qE "$secrets" <(sed "s|$bin/||g" "$2")' ||
		note "$(cat "$2")"
}

names() {
	replicactl status "$@" --names | sort | tr '\n' ' '
}
for name in mine hidden broken; do
	make_volume $name
	start_target $name
done
begin_config
cat >>"$scratch_dir/conf" <<END
[type gold]
replication_enabled=<is> True
[backend here]
driver=dm
valid_replication_devices=backend=site-b
[backend site-b]
driver=dm
pair=paris
END
configure mine "tenants=alice, $user" type=gold backend=here
configure hidden tenants=alice group=secretgroup
configure broken tenants=$user
sed -i "s|^target=.*broken.nbd|target=local:$scratch_dir/nothing/there|" \
	"$scratch_dir/conf"
start_daemon
check "the volume ships" replica_equals mine
wait_until 60 eval '[ "$(field broken reason)" ]'
out=$scratch_dir/answer

check "a tenant can ask" eval 'tenant replicactl status --json >"$out"'
is "it sees what it owns, and four words of that" \
	"$(jq -cS '.volumes | sort_by(.name)' "$out")" "$(jq -cnS \
	--arg word "$(field broken replication_status)" '[
	{name: "broken", size_bytes: 8388608, replication_status: $word},
	{name: "mine", size_bytes: 8388608, replication_status: "enabled",
	 type: "gold"}]')"
tells_nothing "and nothing else" "$out"
check "as a table" eval 'tenant replicactl status >"$out" &&
	grep -qE "^mine +8.0 MiB +enabled +gold$" "$out"'
tells_nothing "without a word more" "$out"
check "by name" eval '[ "$(tenant replicactl status mine --names)" = mine ]'
tenant replicactl status hidden >"$out" 2>&1
is "one of others: its exit status" $? 3
tenant replicactl status nosuch 2>&1 | sed s/nosuch/hidden/ >"$scratch_dir/nosuch"
is "  is as one that is not there" "$(cat "$out")" "$(cat "$scratch_dir/nosuch")"
tenant replicactl status --check >"$out"
is "--check, where one is not well" $? 4
is "what an admin is shown of it" "$(names --tenant "$user")" "broken mine "
is "of another user" "$(names --tenant alice)" "hidden mine "
is "of one who has none" "$(names --tenant bob)" ""
check "a tenant is not asked who it is" eval \
	'[ "$(tenant rpc-call volumes "{\"user\":\"alice\"}" |
	jq -r "[.volumes[].name] | sort | join(\" \")")" = "broken mine" ]'

# Each method, as the source has them.
methods=$(sed -n 's/^\t{ "\([a-z_]*\)", do_.*/\1/p; s/^\t{ "\([a-z_]*\)", request_.*/\1/p' \
	"$top_dir/daemon/methods.c")
check "there are methods" test "$(wc -w <<<"$methods")" -gt 25
for method in $methods; do
	case $method in volumes | events) continue ;; esac
	tenant rpc-call $method '{"volume":"mine","name":"mine","id":"x","target":"x"}' \
		>"$out" 2>&1
	is "$method is refused" "$? $(grep -c 'only root and the group replica' "$out")" \
		"7 1"
	tells_nothing "  in words that tell nothing" "$out"
done
tenant rpc-call events 3 >"$out" 2>&1 &
listener=$!
wait_until 60 grep -q 'only root' "$out"
rpc-call pause '{"volume":"mine"}' >"$scratch_dir/paused"
rpc-call resume '{"volume":"mine"}' >"$scratch_dir/paused"
wait $listener
is "events are refused, and none comes" "$(grep -c . "$out")" \
	"$(grep -c 'only root and the group replica' "$out")"
tells_nothing "  in words that tell nothing" "$out"
wait_until 60 field_is mine state replicating

# Each verb. Those that work without replicad have what the system lets them have.
for verb in $(replicactl help --words); do
	case $verb in status | help | version | doctor | kernel) continue ;; esac
	tenant timeout 20 replicactl $verb mine >"$out" 2>&1 </dev/null
	check "$verb: does not work" test $? != 0 || note "$(cat "$out")"
	tells_nothing "  and tells nothing" "$out"
done
is "nothing was changed" "$(field mine state)" replicating

# A tenant that floods the socket.
python3 - "$REPLICA_SOCKET" >"$out" <<'END'
import os, socket, sys
os.setgroups([]); os.setgid(65534); os.setuid(65534)
def is_open(s):
    s.settimeout(20)
    try:
        s.sendall(b'{"jsonrpc":"2.0","id":1,"method":"volumes"}\n')
        return bool(s.recv(65536))
    except OSError:
        return False
all = []
for i in range(20):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[1])
    all.append(s)
print("connections", sum(is_open(s) for s in all))
s = all[0]
s.sendall(b'{"jsonrpc":"2.0","id":2,"method":"volumes"}\n' * 100)
answers = b""
while answers.count(b"\n") < 100:
    answers += s.recv(65536)
print("answers", answers.count(b"\n"), b"too many requests" in answers)
END
is "it has so many connections, and waits for so many answers" \
	"$(tr '\n' ' ' <"$out")" "connections 8 answers 100 True "
check "others are served" rpc-call status
check "and the tenant, afterwards" eval 'tenant replicactl status mine --names'
stop_daemon
finish

#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The promise of the secondary, on simulated primaries: if this fails, there was a
# moment at which a stage showed no image, one that never was, or of an epoch
# another one than before. Chains of dependent writes go to all volumes of a group;
# their images, newest and oldest, are looked at all the while: while epochs
# come, in windows that are staged as partial, while server and daemon are killed.
# DMR_SOAK_SECONDS=N makes each round that long, DMR_SEED=N others of it.
# lab: timeout=700
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-plugin.sh"
. "$(dirname "$0")/lib-watch.sh"
requires_cmd oracle-sim-writer oracle-watch oracle-check
seconds=${DMR_SOAK_SECONDS:-8}
RANDOM=${DMR_SEED:-1}

# Between two kills there is time for some epochs.
kill_slowly() {
	paced 3
	kill_some
}

begin_watch "a b" 4 history=1h "" "--chains 4 --max 8192 --pause 2000" \
	"--images 20 --history 20 --broken 0"
paced "$seconds"
end_watch "small epochs, a long history"

begin_watch a 4 history=300ms "" \
	"--chains 4 --max 65536 --zero 10 --pause 1000" "--images 10"
paced "$seconds"
end_watch "one volume, and epochs are applied at once"

begin_watch a 4 "history=0 log=16MiB" "" "--chains 4 --pause 2000" "--images 10"
paced "$seconds"
end_watch "a log that is nearly full, always being applied"

# The one configuration in which there may be no image, while that is said.
begin_watch a 4 "history=0 log=512KiB on_full=apply" "" \
	"--chains 4 --pause 20000 --max 65536" "--images 10 --gaps 1"
paced "$seconds" kill_slowly
end_watch "a log that cannot hold an epoch: in place"

begin_watch "a b" 4 history=1h "window=64KiB bandwidth=8MiB" \
	"--chains 4 --max 65536 --zero 5 --pause 2000" "--images 5 --behind 5 --broken 0"
paced "$seconds"
windows=$(field "${watched[0]}" epochs_partial)
check "windows were staged: $windows" test "$windows" -ge 3
end_watch "always catching up, in windows"

begin_watch "a b c" 4 "history=2s log=64MiB" "window=256KiB connections=3" \
	"--chains 6 --max 16384 --zero 5 --pause 1000" "--images 10"
check "a first image" wait_until 60 nbdinfo "$(uri_of "${watched[0]}@latest")"
paced $((seconds * 3)) kill_some
while [ $nr_kills -lt 3 ] && kill -0 "$watch_pid"; do
	kill_some
done
check "$nr_kills kills of the server, the daemon, or both" \
	test $nr_kills -ge 3
end_watch "killed again and again"
finish

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# For tests of what a verb does where there is no room, after lib.sh.

# What it says then.
is_full="No space left on device|needs [0-9]+ bytes there, [0-9]+ are free"

# make_disk DIR SIZE: a file system of that size there
make_disk() {
	mkdir -p "$1"
	mount -t tmpfs -o "size=$2" tmpfs "$1" ||
		skip_all "needs a file system of its own"
	cleanup_fn umount -l "$1"
}

# leave DIR PAGES: so much room is left on its disk, until DIR/filler goes
leave() {
	local free
	free=$(stat -f -c '%a' "$1")
	[ "$free" -le "$2" ] || head -c $(((free - $2) * 4096)) /dev/zero \
		>"$1/filler" || bail "the disk cannot be filled"
}

# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# Debian suites as package sources beside this machine's own: each has its apt
# lists and package cache below $cache/apt/SUITE. The mirror is the one that the
# machine's own sources name. To be sourced; needs $cache.

# A suite, its updates, backports and security count as one; sid has only itself.
suites() {
	printf '%s\n' "$(own_suite)" trixie forky sid | awk '!seen[$0]++'
}

own_suite() {
	# shellcheck source=/dev/null
	(. /etc/os-release && echo "${VERSION_CODENAME:-sid}")
}

# mirror_of RELEASE: the URI from which this machine gets it.
mirror_of() {
	apt-get indextargets --format '$(RELEASE) $(REPO_URI)' \
		'Created-By: Packages' | awk -v r="$1" '$1 == r { print $2; exit }'
}

write_list() {
	local suite=$1 own main security part
	own=$(own_suite)
	main=$(mirror_of "$own")
	security=$(mirror_of "$own-security")
	[ -n "$main" ] || { echo "vm: no Debian mirror in the apt sources" >&2; return 1; }
	for part in "$suite" "$suite-updates" "$suite-backports"; do
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $main $part main"
		[ "$suite" != sid ] || return 0
	done
	[ -z "$security" ] ||
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $security $suite-security main"
}

# suite_apt SUITE PROGRAM ARGUMENT...: apt-get or apt-cache with its lists and
# with no package installed.
suite_apt() {
	local dir=$cache/apt/$1 program=$2
	shift 2
	timeout 900 "$program" -q -o Dir::Etc::sourcelist="$dir/list" \
		-o Dir::Etc::sourceparts=/dev/null -o Dir::State="$dir" \
		-o Dir::State::lists="$dir/lists" -o Dir::State::status="$dir/status" \
		-o Dir::Cache="$dir/cache" -o Dir::Etc::preferencesparts=/dev/null \
		-o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@"
}

# The lists are fetched once a day; a suite that the mirror lacks is empty.
suite_refresh() {
	local dir=$cache/apt/$1
	[ -z "$(find "$dir/stamp" -mmin -1440 2>/dev/null)" ] || return 0
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	(
		flock -w 600 6
		[ -z "$(find "$dir/stamp" -mmin -1440 2>/dev/null)" ] || exit 0
		: >"$dir/status"
		write_list "$1" >"$dir/list" || exit 1
		suite_apt "$1" apt-get update >"$dir/log" 2>&1 || :
		touch "$dir/stamp"
	) 6>"$dir/lock"
}

suite_has() {
	suite_refresh "$1" && suite_apt "$1" apt-cache show "$2" >/dev/null 2>&1
}

suite_with() {
	local suite
	for suite in $(suites); do
		if suite_has "$suite" "$1"; then
			echo "$suite"
			return 0
		fi
	done
	return 1
}

# The newest kernel of a suite, backports included.
suite_version() {
	suite_refresh "$1" || return 1
	suite_apt "$1" apt-cache show linux-headers-amd64 2>/dev/null |
		sed -n 's/^Depends:.*linux-headers-\([0-9][^ ,]*\).*/\1/p' |
		sort -V | tail -n 1 | grep .
}

# suite_download_image VERSION: into the current folder. Newer kernels split
# the image from its modules.
suite_download_image() {
	local suite package packages=()
	suite=$(suite_with "linux-image-$1") || return 1
	for package in "linux-image-$1" "linux-binary-$1" "linux-modules-$1"; do
		! suite_has "$suite" "$package" || packages+=("$package")
	done
	suite_apt "$suite" apt-get -q download "${packages[@]}" >&2
}

# suite_download_closure SUITE PACKAGE...: with all that they depend on.
suite_download_closure() {
	local suite=$1 dir=$cache/apt/$1
	shift
	suite_apt "$suite" apt-get -y --no-install-recommends \
		--download-only install "$@" >"$dir/log" 2>&1 ||
		{ tail -n 20 "$dir/log" >&2; return 1; }
	cp "$dir/cache/archives/"*.deb .
	rm -f "$dir/cache/archives/"*.deb
}

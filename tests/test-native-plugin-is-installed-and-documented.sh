#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: nbdkit would not find the plugin, or the
# manual would tell of parameters and exports that there are not.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-plugin.sh"
requires_cmd make pod2man

man=$top_dir/Documentation/man/nbdkit-replica-plugin.1.pod
config=$(nbdkit --dump-config)
plugin_dir=$(sed -n 's/^plugindir=//p' <<<"$config")
image=$scratch_dir/image

check "make install" make -s -C "$top_dir" install DESTDIR="$image" \
	PREFIX=/usr SKIP_MODULE=1
check "the plugin is where nbdkit looks" test -x \
	"$image$plugin_dir/nbdkit-replica-plugin.so"
check "its manual" test -s \
	"$image/usr/share/man/man1/nbdkit-replica-plugin.1"
check "it exports one symbol" test "$(nm -D --defined-only \
	"$image$plugin_dir/nbdkit-replica-plugin.so" | wc -l)" = 1

help=$(nbdkit "$plugin_so" --help | sed -n 's/^\([a-z_]*\)=.*/\1/p' | sort -u)
manual=$(sed -n 's/^=item B<\([a-z_]*\)=.*/\1/p' "$man" | sort -u)
is "the manual has the parameters of --help" "$manual" "$help"
check "that are more than ten" test "$(wc -l <<<"$help")" -gt 10
for key in $help; do
	refuses "$key is known" "error: $key=.*\?: " timeout 60 nbdkit -f \
		-U "$scratch_dir/no" "$plugin_so" "dir=$stage_dir" "$key=?"
done
synopsis=$(sed -n '/^=head1 SYNOPSIS/,/^=head1 EXAMPLES/p' "$man")
for key in $help; do
	check "the synopsis has $key" grep -qE "\[$key[]=]" <<<"$synopsis"
done
dump=$(nbdkit "$plugin_so" --dump-plugin)
for e in $(sed -n 's/^replica_exports=//p' <<<"$dump"); do
	check "the manual has $e" grep -qE "^=item (.*, )?$e(,|\$)" "$man"
done
is "up to parallel" "$(sed -n 's/^max_thread_model=//p' <<<"$dump")" parallel
check "the plugin's version" grep -q "^replica_version=[0-9]" <<<"$dump"
finish

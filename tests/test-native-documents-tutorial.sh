#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# If this failed, who follows the tutorial would find that a command does not work,
# or does not say what is shown.
# lab: timeout=300
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-native.sh"
. "$(dirname "$0")/lib-doc.sh"

make_sites
run_document "$top_dir/Documentation/tutorial.rst"
[ $test_failed = 0 ] || for site in here there; do
	note "$site: $(tail -n 5 "$scratch_dir/$site/log")"
done
finish

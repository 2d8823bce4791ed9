# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What replicactl create lists, for native tests of volumes that drivers make.

# of VOLUME FIELD
of() {
	replicactl create --json | jq -r --arg v "$1" \
		".volumes[] | select(.volume == \$v) | .$2"
}
# The names of all, on one line
names() {
	replicactl create --names | sort | xargs
}

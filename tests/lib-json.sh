# SPDX-License-Identifier: GPL-2.0-or-later
# shellcheck shell=bash
#
# What tests and the demo ask of a JSON text. Not "jq -e" itself: with an empty
# input, for example of a command that failed, jq 1.6 ends with status 0.

# json_holds [JQ-OPTION...] CONDITION: stdin is one JSON text of which it holds.
json_holds() {
	jq -es "${@:1:$#-1}" "length == 1 and (.[0] | (${*: -1}))"
}

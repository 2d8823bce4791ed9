#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of lost answers, kills,
# power cuts and restored copies in which a stage shows an image of no cut, or a
# difference is forgotten; or a rule is not needed, or a named function has gone.
# DMR_SOAK=1 looks at more.
# lab: timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-model.sh"
requires_cmd spin gcc

model_holds shipping.pml 100000
finish

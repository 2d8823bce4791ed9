#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of writes, cooling,
# epochs and power cuts after which a primary has forgotten a difference; or one
# of its rules is not needed, or the model names a function that has gone.
# DMR_SOAK=1 looks at more.
# lab: timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-model.sh"
requires_cmd spin gcc

model_holds tracking.pml 100000
finish

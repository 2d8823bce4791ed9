#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of writes, copies, view
# reads and cuts in which a clean epoch is not the image of its cut; or one of
# its rules is not needed, or the model names a function that has gone.
# DMR_SOAK=1 looks at more.
# lab: timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-model.sh"
requires_cmd spin gcc

model_holds cutting.pml 100000
finish

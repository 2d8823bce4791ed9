#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of events in which what the
# old primary wrote alone stays on its device, below an image that is called clean;
# or one of the rules against that is not needed.
# DMR_SOAK=1 looks at more.
# lab: timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-model.sh"
requires_cmd spin gcc

model_holds failback.pml 10000
finish

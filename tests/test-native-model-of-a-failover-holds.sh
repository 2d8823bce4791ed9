#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of events in which a
# failover, or the way back, loses a difference between the sites; or one of its
# rules is not needed, or the model does not know what it is for.
# DMR_SOAK=1 looks at more.
# lab: timeout=1200
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-model.sh"
requires_cmd spin gcc

model_holds promotion.pml 100000
finish

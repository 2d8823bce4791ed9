#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of events in which a
# planned failover loses a write that was acknowledged, or leaves a volume closed
# that was not handed over; or one of its rules is not needed.
# DMR_SOAK=1 looks at more.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-model.sh"
requires_cmd spin gcc

model_holds handover.pml 1000
finish

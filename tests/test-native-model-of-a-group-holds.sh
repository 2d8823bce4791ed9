#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is a moment at which a failover of a
# group can be killed so that some of its volumes are promoted, and others not; or
# one of its rules is not needed.
# DMR_SOAK=1 looks at more.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-model.sh"
requires_cmd spin gcc

model_holds group.pml 300
finish

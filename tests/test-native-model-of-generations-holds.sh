#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# What would be wrong if this failed: there is an order of promotions, crashes and
# decisions after which two sites are primaries in one generation, or one gets data
# that lack what it was told is written; or a rule against that is not needed.
# DMR_SOAK=1 looks at more.
# lab: timeout=600
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/lib-model.sh"
requires_cmd spin gcc

model_holds lineage.pml 10000
finish

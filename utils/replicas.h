/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this site keeps of others' volumes, as the method replicas has it. */
#ifndef REPLICACTL_REPLICAS_H
#define REPLICACTL_REPLICAS_H

#include <jansson.h>

/* A table, and below it what is not well. */
void replicas_print(const json_t *replicas);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A volume's status in Cinder's words.
 *
 * C1 the words follow from the state, each time; none is stored. So none can be
 *    stuck, and after a crash they are what is true then.
 * C2 nothing of hosts, targets or errors is in them: a tenant may read them.
 * C3 the driver data are the generation: the same through restarts, another one
 *    after each promotion.
 */
#ifndef REPLICAD_CINDER_WORDS_H
#define REPLICAD_CINDER_WORDS_H

#include <jansson.h>

/*
 * Adds to a volume of the status "replication_status", one of Cinder's nine
 * (not-capable never), "replication_extended_status",
 * "replication_driver_data" (null where it is not known), and "data": copying,
 * active, active-stopped, inactive, error. @word: the status where who asks
 * knows better; NULL: by the state.
 */
void cinder_put_words(json_t *volume, const char *word);

#endif

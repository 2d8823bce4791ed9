/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a controller waits for: that a verb which changes who replicates has
 * begun, and how it has ended, in the manner of OpenStack's notifications
 * ("enable_replication.start"). An event, and a line of the log, which the
 * systemd journal gets with fields of its own. Of what was asked for here, and
 * of whom that names.
 *
 * N1 Who has begun ends, once, with "end" or "error". A dry run does neither.
 *
 * Main thread.
 */
#ifndef REPLICAD_NOTICE_H
#define REPLICAD_NOTICE_H

#include <jansson.h>

struct request;

/* Of a request by that method; nothing for most of them. */
void notice_begin(struct request *request, const char *method);
/*
 * @error: a sentence, NULL: it has ended, with this @result (borrowed); of many
 * that is an error where it was one for any of them. Nothing, if it did not
 * begin.
 */
void notice_end(struct request *request, const char *error,
		const json_t *result);

#endif

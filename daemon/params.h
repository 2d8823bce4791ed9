/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a method takes. A parameter that it does not know, and a value of
 * another type, are refused by name: whoever asks (a replicactl of another
 * version) meant something by it, "only to look" perhaps, and must not get more
 * than that. null is as if it were not there.
 */
#ifndef REPLICAD_PARAMS_H
#define REPLICAD_PARAMS_H

#include <stdbool.h>

struct request;

/*
 * @spec: the names, each with a space behind it but the last; behind a name
 * stands its type: ? true or false, # a number, { an object, [ a list, nothing:
 * a text. false: it was refused.
 */
bool params_check(struct request *request, const char *method,
		  const char *spec);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The export by which the two sides of a pair ask each other for verbs
 * (route.h): write a message at 0, with zeros behind it up to whole units; then
 * read the answer, which ends at a zero, too.
 */
#ifndef REPLICA_VERBS_WIRE_H
#define REPLICA_VERBS_WIRE_H

#define VERBS_EXPORT	"@verbs"
#define VERBS_BYTES	(64 * 1024)
#define VERBS_UNIT	512

#endif

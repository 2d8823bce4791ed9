/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the log of a staged volume is, so where its group can have one (S7):
 *
 * L1 the staged members of a group have one server, or one folder. Each of two
 *    would wait for the other's members to commit, and say meanwhile that it
 *    has prepared; whoever ships would take that for a commit.
 */
#ifndef REPLICAD_PLACE_H
#define REPLICAD_PLACE_H

#include "header.h"

struct volume;

extern const char place_advice[];

/*
 * The target of @volume was judged, before its hello. 0, or -EINVAL with a
 * sentence: another member of its group has a log elsewhere. Servers are told
 * apart by what they are called.
 */
int place_check(struct volume *volume, struct replica_why *why);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a stage's directory holds, for people. */
#ifndef REPLICA_DUMP_STAGE_H
#define REPLICA_DUMP_STAGE_H

/*
 * Prints volumes, checkpoints, segments and their records to stdout; what is
 * damaged is named and passed over. Reads only, and takes no lock: of a stage
 * that is in use it may show a moment that never was. Returns 0, or 1 when
 * something could not be read or is damaged.
 */
int dump_stage(const char *dir);

/* Likewise, the device of a stage's logs. -1: it is none, nothing is said. */
int dump_stage_device(const char *path);

/* A segment of its log, or what is kept of one; -1: it is none. */
int dump_stage_segment(const char *path);

#endif

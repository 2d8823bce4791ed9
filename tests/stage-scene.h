/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What most tests of the stage begin and end with: a disk, a stage on it with
 * the volume "a", and a client of that which has said hello. One at a time.
 */
#ifndef STAGE_SCENE_H
#define STAGE_SCENE_H

#include "stage-device.h"
#include "stage-rig.h"

extern struct disk *d;
extern struct stage *s;
extern struct client c;
extern struct model m;

/* With @nr volumes, "a" and "b", of one group. */
void begin(const struct stage_options *o, unsigned int nr);
/* The client and the stage are closed: s is NULL. */
void shut(void);
void end(void);

struct stage_info info_now(void);

/* As replicad does after a refusal: it comes back, and reads the header. */
int come_back(uint64_t attaches);

/*
 * As after the end of its process, and the client is connected. -EIO: "a" is
 * there, and in error; -ENOENT or what @err says: it is not.
 */
int restart(const struct stage_options *o, struct error *err);

/* Clean epochs. */
bool write_epochs(uint64_t from, uint64_t to);

/* After a restart: it is where it was, and goes on from @epoch. */
bool goes_on(uint64_t epoch);

/* Flips a bit there, on the disk, not in its cache alone; or flips it back. */
void spoil_file(const char *path, uint64_t pos);

/* --- of a log on RIG_DEVICE ----------------------------------------------- */

unsigned int count_slots(enum stage_slot_state state);
uint64_t slot_at(unsigned int slot);
void spoil(uint64_t pos);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A daemon's groups in a test: volumes "sNvM" of the simulated kernel, each on
 * the target in memory "fake:M" (fake-target.h).
 */
#ifndef REPLICA_SHIP_RIG_H
#define REPLICA_SHIP_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "fake-target.h"
#include "group.h"
#include "reactor.h"
#include "sim-kernel.h"
#include "tap.h"
#include "volume.h"

#define MIB		(1024 * 1024)
#define BYTES		(4 * MIB)
#define CHUNK		4096
#define CHUNKS		(BYTES / CHUNK)
#define NR_RIGS		4

/* A volume "vN" on target "fake:N". */
struct rig {
	char name[32];
	struct volume *volume;
	struct fake_target *fake;
};

extern struct reactor reactor;
extern struct rig rigs[NR_RIGS];
extern struct group *group;

typedef bool condition_fn(void);

void rig_setup(void);
int rig_clear(void);

/* Runs the daemon until the condition holds, or for so many milliseconds. */
bool run_until(condition_fn *condition, unsigned int ms);
void run_for(unsigned int ms);
void write_chunk(struct rig *rig, uint64_t chunk);
void write_chunks(struct rig *rig, uint64_t first, uint64_t nr);
bool is_equal(const struct rig *rig);
bool is_replicating(void);
bool is_connecting(void);
bool is_error(void);
bool is_falling_behind(void);
bool is_stopped(void);
bool is_closed(void);
void on_stopped(struct group *g);
void start(unsigned int nr, const char *options);
void free_daemon(void);
/* What the daemon that ended has noted is as if it had been killed. */
void forget_clean_end(struct rig *rig);
void begin(const char *what, unsigned int nr, const char *options);
struct dmr_info info_of(const struct rig *rig);

/* Checks count in the file that makes them: tap.h. */
static inline void stop(void)
{
	group_stop(group, 1000, on_stopped);
	ok(run_until(is_closed, 5000), "… it stops");
	free_daemon();
}

static inline void check_replica(unsigned int nr, const char *what)
{
	struct replica_header h;

	ok(run_until(is_replicating, 10000), "%s: it replicates again", what);
	if (!is_replicating())
		printf("# %s: %s\n", pair_state_name(group->pair.state),
		       pair_reason(&group->pair));
	for (unsigned int i = 0; i < nr; i++) {
		ok(is_equal(&rigs[i]), "%s: replica %u is the volume", what, i);
		ok(fake_header(rigs[i].fake, &h) &&
		   h.state == REPLICA_STATE_OK && h.last_clean,
		   "%s: header %u says that it is consistent", what, i);
		is_int(rigs[i].fake->order_errors, 0,
		       "%s: open, data, flush, commit in order (W6)", what);
	}
}

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes the base of a volume, and the metadata beside it: a driver for
 * each word of a backend's driver=. made.h has the record by which it is told
 * what to make, and the rules.
 *
 * All but plan() block, on any thread; one call at a time for a volume. They
 * return 0 or -errno with a sentence in @err.
 */
#ifndef REPLICAD_DRIVER_H
#define REPLICAD_DRIVER_H

#include <stdatomic.h>
#include <stdbool.h>

#include "config.h"
#include "error.h"
#include "made.h"

struct driver {
	const char *name;
	/*
	 * Where the two are to be: fills in place, pool, base and metadata, of
	 * a record that has the rest. Looks at nothing but the backend.
	 */
	int (*plan)(struct made *m, const struct section *backend,
		    struct error *err);
	/*
	 * Could they be made there? Nothing is, and no record is needed. Fills
	 * in place_id.
	 */
	int (*check)(struct made *m, struct error *err);
	/* Makes both, durably; the base may become larger than asked for, and
	 * m->bytes tells. After a failure destroy() undoes it. */
	int (*create)(struct made *m, struct error *err);
	/*
	 * The two become as large as a volume of m->bytes needs, and are not
	 * made smaller; m->bytes tells how large the base is. Again is fine.
	 */
	int (*extend)(struct made *m, struct error *err);
	/* Has it a base that is ours (V4)? *@is_there only where it is 0. */
	int (*find_base)(const struct made *m, bool *is_there,
			 struct error *err);
	/*
	 * May the two be removed? -EBUSY: somebody has one of them open, or
	 * more would go with them. What is not there is no error.
	 */
	int (*check_free)(const struct made *m, struct error *err);
	/*
	 * Removes what there is of the two, durably. -EBUSY: as check_free(),
	 * and nothing was removed.
	 */
	int (*destroy)(const struct made *m, struct error *err);
	/*
	 * As create(), with what a snapshot of @from has, or (NULL) its base at
	 * one moment, as snapshot() says. Of the same place; m->bytes tells.
	 * -EINPROGRESS, without a sentence: that takes as long as it is large,
	 * and copy() does it, and then copied() the rest.
	 */
	int (*clone)(struct made *m, const struct made *from,
		     const struct snapshot *s, struct error *err);
	/*
	 * The same two as clone() had. *@done: the bytes so far. Calls for
	 * other volumes may come meanwhile. -ECANCELED: file_copy_stop().
	 */
	int (*copy)(const struct made *m, const struct made *from,
		    const struct snapshot *s, atomic_ullong *done,
		    struct error *err);
	int (*copied)(struct made *m, struct error *err);
	bool copies_alone;	/* nobody may open @from's base meanwhile */
	/*
	 * Keeps the base as it is at one moment, durably, while it may be
	 * written: a write that had ended before is in it, and so is all that
	 * it depended on. s->bytes tells how large that is. -EOPNOTSUPP: what
	 * it is on cannot do that. -EINPROGRESS, without a sentence: as of
	 * clone(), and copy_snapshot() does all the rest. After a failure
	 * drop_snapshot() undoes it.
	 */
	int (*snapshot)(const struct made *m, struct snapshot *s,
			struct error *err);
	int (*copy_snapshot)(const struct made *m, struct snapshot *s,
			     atomic_ullong *done, struct error *err);
	/* As check_free() and destroy(). */
	int (*check_snapshot_free)(const struct made *m,
				   const struct snapshot *s,
				   struct error *err);
	int (*drop_snapshot)(const struct made *m, const struct snapshot *s,
			     struct error *err);
	/* Its file or device; @path is of PATH_MAX. */
	void (*snapshot_path)(const struct made *m, const struct snapshot *s,
			      char *path);
};

/* The driver of a backend, or of a record; NULL: it has none that makes. */
const struct driver *driver_of(const struct section *backend);
const struct driver *driver_find(const char *name);

/* How large the metadata of a volume must be; 0: no volume is so large. */
uint64_t driver_metadata_bytes(uint64_t bytes);

extern const struct driver driver_file, driver_lvm;

#endif

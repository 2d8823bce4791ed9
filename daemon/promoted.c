// SPDX-License-Identifier: GPL-2.0-or-later
#include "promoted.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon.h"
#include "identity.h"
#include "promotion.h"
#include "promotion-run-impl.h"
#include "state-file.h"

/* --- main thread ---------------------------------------------------------- */

static struct promoted *create(const struct promotion_record *r)
{
	struct promoted *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	snprintf(p->volume, sizeof(p->volume), "%s", r->volume);
	memcpy(p->dir, r->dir, sizeof(p->dir));
	snprintf(p->base, sizeof(p->base), "%s", r->base);
	snprintf(p->metadata, sizeof(p->metadata), "%s", r->metadata);
	p->bytes = r->bytes;
	p->generation = r->generation;
	return p;
}

int promoted_find(const struct daemon *daemon, const char *volume,
		  struct promoted **p, struct error *err)
{
	const struct promotion *promotion = promotion_find(daemon, volume);

	*p = NULL;
	if (!promotion)
		return -ENOENT;
	if (promotion->state == PROMOTION_WAITING ||
	    promotion->state == PROMOTION_RUNNING)
		return error_set(err, -EBUSY, "volume %s: a failover is under "
				 "way", volume);
	if (promotion->state != PROMOTION_DONE || promotion->is_ending)
		return error_set(err, -EBUSY, "volume %s was promoted here, and "
				 "is not the primary now (replicactl status "
				 "has the reason)", volume);
	*p = create(&promotion->record);
	return *p ? 0 : error_set(err, -ENOMEM, "no memory");
}

bool promoted_is_still(const struct daemon *daemon, const struct promoted *p)
{
	const struct promotion *promotion = promotion_find(daemon, p->volume);

	return promotion && promotion->state != PROMOTION_ENDING &&
	       !promotion->is_ending &&
	       promotion->record.generation == p->generation;
}

int promoted_note_bytes(struct daemon *daemon, const struct promoted *p,
			uint64_t bytes, struct error *err)
{
	struct promotion *promotion = promotion_find(daemon, p->volume);
	struct promotion_record r;
	int ret;

	if (!promoted_is_still(daemon, p) ||
	    promotion->state != PROMOTION_DONE ||
	    promotion->record.bytes == bytes)
		return 0;
	r = promotion->record;
	r.bytes = bytes;
	ret = promotion_save(daemon->config.state_dir, &r);
	if (ret)
		return error_set(err, ret, "%s: the record of its failover: %s",
				 p->volume, strerror(-ret));
	promotion->record = r;
	return 0;
}

/* V12 */
static int make_up(const struct promoted *p, struct made *m, struct error *err)
{
	const char *end = strrchr(p->base, '/');
	size_t len = end ? end - p->base : 0;
	int ret;

	memset(m, 0, sizeof(*m));
	snprintf(m->volume, sizeof(m->volume), "%s", p->volume);
	snprintf(m->driver, sizeof(m->driver), "file");
	snprintf(m->place, sizeof(m->place), "%.*s", len ? (int)len : 1,
		 len ? p->base : "/");
	memcpy(m->base, p->base, sizeof(m->base));
	m->bytes = p->bytes;
	m->step = MADE_READY;
	m->is_promoted = m->has_others_metadata = true;
	identity_random(&m->id, sizeof(m->id));
	ret = state_folder_id(m->place, m->place_id);
	return ret ? error_set(err, ret, "%.180s: %s", m->place,
			       strerror(-ret)) : 0;
}

static bool is_same(const struct stat *x, const struct stat *y)
{
	return S_ISBLK(x->st_mode) ? x->st_rdev == y->st_rdev :
	       x->st_dev == y->st_dev && x->st_ino == y->st_ino;
}

bool promoted_is_on(const struct promoted *p, const char *base)
{
	struct stat x, y;

	return !stat(p->base, &x) && !stat(base, &y) && is_same(&x, &y);
}

/* It may have grown since, as a replica, or by other hands. */
static int take_made(const struct promoted *p, const struct stat *base,
		     struct made *m, struct error *err)
{
	struct stat st;

	if (stat(m->base, &st) || !is_same(&st, base))
		return error_set(err, -EBUSY, "what was made here as %s, %.110s,"
				 " is not what it stands on since it was "
				 "promoted, which is %.110s", p->volume,
				 m->base, p->base);
	if (m->step == MADE_READY && m->bytes < p->bytes)
		m->bytes = p->bytes;
	m->has_others_metadata = strcmp(m->metadata, p->metadata);
	return 0;
}

static int find_made(const char *state_dir, const struct promoted *p,
		     struct made *m, struct error *err)
{
	int ret = made_load(state_dir, p->volume, m, err);
	struct stat st;

	if (ret && ret != -ENOENT)
		return ret;
	error_clear(err);
	if (stat(p->base, &st))
		return error_set(err, -errno, "%.180s: %s", p->base,
				 strerror(errno));
	if (!ret)
		return take_made(p, &st, m, err);
	if (S_ISREG(st.st_mode))
		return make_up(p, m, err);
	return error_set(err, -EOPNOTSUPP, "%s stands on %.150s since it was "
			 "promoted, a device that was not made here: that is "
			 "for what made it to do", p->volume, p->base);
}

int promoted_made(const struct daemon *daemon, const char *volume,
		  struct promoted **p, struct made *m, struct error *err)
{
	const char *state_dir = daemon->config.state_dir;
	int ret = promoted_find(daemon, volume, p, err);

	if (ret == -ENOENT) {
		ret = made_load(state_dir, volume, m, err);
		return ret || !m->is_promoted ? ret :
		       error_set(err, -EBUSY, "volume %s was promoted here once,"
				 " of which there are snapshots, and is no more "
				 "what was", volume);
	}
	return ret ? ret : find_made(state_dir, *p, m, err);
}

/* --- any thread ----------------------------------------------------------- */

static int make_larger(int fd, bool is_file, uint64_t need, uint64_t wish)
{
	off_t is = lseek(fd, 0, SEEK_END);

	if (is < 0)
		return -errno;
	if (!is_file)
		return (uint64_t)is < need ? -ENOSPC : 0;
	if ((uint64_t)is >= wish)
		return 0;
	return ftruncate(fd, wish) || fsync(fd) ? -errno : 0;
}

int promoted_make_room(const struct promoted *p, uint64_t bytes, uint64_t more,
		       struct error *err)
{
	uint64_t need, wish;
	struct stat st;
	int fd, ret;

	if (!strcmp(p->metadata, "none"))
		return error_set(err, -EOPNOTSUPP, "volume %s has no metadata "
				 "(none): the kernel makes none larger that "
				 "has not", p->volume);
	ret = promotion_metadata_need(p->metadata, bytes, &need, err) ?:
	      promotion_metadata_need(p->metadata, bytes + more, &wish, err);
	if (ret)
		return ret;
	fd = open(p->metadata, O_RDWR | O_CLOEXEC);
	ret = fd < 0 || fstat(fd, &st) ? -errno :
	      make_larger(fd, S_ISREG(st.st_mode), need, wish);
	if (fd >= 0)
		close(fd);
	if (ret == -ENOSPC)
		return error_set(err, ret, "its metadata %.150s have no room for "
				 "so much: %" PRIu64 " bytes are needed",
				 p->metadata, need);
	return ret ? error_set(err, ret, "%.180s: %s", p->metadata,
			       strerror(-ret)) : 0;
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "stage-flips.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct disk *d;
struct model m;
unsigned int nr_removed;

static bool is_told;

/* --- a log ---------------------------------------------------------------- */

static void put(struct client *c, uint64_t sector, uint32_t seed)
{
	char buf[FLIP_SECTOR];
	uint64_t off = sector * FLIP_SECTOR;

	fill(buf, sizeof(buf), off, seed);
	if (stage_conn_write(c->conn, buf, sizeof(buf), off, NULL))
		abort();
	c->records++;
	c->digest += replica_digest(off, buf, sizeof(buf));
	memcpy(m.next + off, buf, sizeof(buf));
}

static void small_epoch(struct client *c, uint64_t e, bool is_clean)
{
	client_open(c, e);
	put(c, e, e);
	put(c, 9, e + 100);
	if (e % 2)
		client_zero(c, &m, e, 1);
	if (client_commit(c, &m, e, is_clean))
		abort();
}

/* What is given up makes a log in files go on in another segment. */
void make_log(const struct stage_options *o)
{
	struct stage *s;
	struct client c;

	memset(&m, 0, sizeof(m));
	d = disk_create();
	s = rig_create(d, o, 1);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	small_epoch(&c, 1, true);
	small_epoch(&c, 2, false);
	client_open(&c, 3);
	put(&c, 20, 33);
	model_drop(&m);
	client_hello(&c, 1, 2);
	small_epoch(&c, 4, true);
	small_epoch(&c, FLIP_NEWEST, true);
	if (stage_find(s, "a")->g->nr_segments != (s->device ? 1 : 2))
		abort();
	client_close(&c);
	stage_close(s);
}

/* --- looking at it -------------------------------------------------------- */

static struct stage_io io;

static int no_pwritev(void *arg, int fd, struct iovec *iov, int nr,
		      uint64_t off)
{
	return 0;
}

static int no_zero(void *arg, int fd, uint64_t off, uint64_t len)
{
	return 0;
}

static int no_truncate(void *arg, int fd, uint64_t len)
{
	return 0;
}

static int no_sync(void *arg, int fd)
{
	return 0;
}

/* What is another byte is so in the cache. */
static void no_drop(void *arg, int fd)
{
}

static int no_change(void *arg, const char *path)
{
	return 0;
}

static int no_remove(void *arg, const char *path)
{
	nr_removed++;
	return 0;
}

static int no_rename(void *arg, const char *from, const char *to)
{
	return 0;
}

static int open_only(void *arg, const char *path, int flags)
{
	return flags & O_TRUNC ? -EROFS :
	       disk_io(d)->open(arg, path, flags & ~O_CREAT);
}

struct stage *look_only(const struct stage_options *o,
			       struct error *err)
{
	struct stage_options still = *o;
	struct stage *s;

	nr_removed = 0;
	io = *disk_io(d);
	io.open = open_only;
	io.pwritev = no_pwritev;
	io.zero = no_zero;
	io.truncate = no_truncate;
	io.sync = no_sync;
	io.drop_cache = no_drop;
	io.mkdir = io.sync_dir = no_change;
	io.unlink = io.rmdir = no_remove;
	io.rename = no_rename;
	still.io = &io;
	still.is_still = true;
	still.log_bytes = 1 << 20;
	still.segment_bytes = 64 << 10;
	return stage_open(&s, RIG_DIR, &still, err) ? NULL : s;
}

static void hear(const char *text)
{
	is_told = true;
}

/* Exactly that epoch, or an error in words. */
static bool is_right_or_error(struct stage_volume *v, uint64_t epoch)
{
	static char buf[RIG_BYTES];
	struct error err = { 0 };
	struct stage_image *i;
	bool is_good;

	if (stage_image_open(&i, v, epoch, &err))
		return err.text[0];
	is_good = stage_image_read(i, buf, sizeof(buf), 0, &err) ?
		  err.text[0] :
		  m.is_there[stage_image_epoch(i)] &&
		  !memcmp(buf, m.image[stage_image_epoch(i)], sizeof(buf));
	stage_image_close(i);
	return is_good;
}

static bool is_right(struct stage_volume *v, const struct stage_info *info)
{
	static const uint64_t epochs[] = { 1, 4, FLIP_NEWEST };
	bool is_good = info->state != STAGE_ERROR || info->error.text[0];

	for (unsigned int i = 0; is_good && i < 3; i++)
		is_good = is_right_or_error(v, epochs[i]);
	return is_good && info->header.last_clean <= FLIP_NEWEST;
}

/* The last epoch alone may be as if power was lost during its commit. */
static void note_silence(const struct stage_info *info, struct seen *seen)
{
	seen->silent += info->header.last_clean < FLIP_NEWEST - 1;
	seen->torn += info->header.last_clean == FLIP_NEWEST - 1;
}

void look(const struct stage_options *o, struct seen *seen)
{
	struct error err = { 0 };
	struct stage *s = look_only(o, &err);
	struct stage_volume *v = s ? stage_find(s, "a") : NULL;
	struct stage_info info;

	seen->nr++;
	if (!v) {
		seen->refused++;
		seen->wrong += !s && !err.text[0];
		stage_close(s);
		return;
	}
	stage_get_info(v, &info);
	is_told = false;
	stage_tell_notices(s, hear);
	if (!is_right(v, &info))
		seen->wrong++;
	else if (info.state == STAGE_ERROR)
		seen->damaged++;
	else if (info.header.last_clean < FLIP_NEWEST)
		seen->behind++;
	else
		seen->good++;
	if (info.state != STAGE_ERROR && !is_told)
		note_silence(&info, seen);
	stage_close(s);
}

/* --- each byte ------------------------------------------------------------ */

static bool is_empty(const char *data, uint64_t at, uint64_t size)
{
	while (at < size && !data[at])
		at++;
	return at == size;
}

void flip_part(const struct stage_options *o, const char *name, uint64_t from,
	       uint64_t to, looking *fn, struct seen *seen)
{
	uint64_t size;
	char *data = disk_data(d, name, &size);
	unsigned int before = seen->wrong + seen->silent;

	if (to > size)
		to = size;
	for (uint64_t at = from, more = FLIP_SECTOR; at < to && more; at++) {
		if (!(at % FLIP_SECTOR) || more < FLIP_SECTOR)
			more -= is_empty(data, at, to);
		data[at] ^= 1 << at % 8;
		fn(o, seen);
		data[at] ^= 1 << at % 8;
		if (seen->wrong + seen->silent != before)
			printf("# %s, byte %llu\n", name,
			       (unsigned long long)at);
		before = seen->wrong + seen->silent;
	}
}

void zero_part(const struct stage_options *o, const char *name, uint64_t from,
	       uint64_t to, size_t piece, looking *fn, struct seen *seen)
{
	unsigned int before = seen->wrong + seen->silent;
	char was[STAGE_BLOCK_BYTES];
	uint64_t size;
	char *data = disk_data(d, name, &size);

	for (uint64_t at = from; at < to && at + piece <= size; at += piece) {
		if (is_empty(data + at, 0, piece))
			continue;
		memcpy(was, data + at, piece);
		memset(data + at, 0, piece);
		fn(o, seen);
		memcpy(data + at, was, piece);
		if (seen->wrong + seen->silent != before)
			printf("# %s, from byte %llu on\n", name,
			       (unsigned long long)at);
		before = seen->wrong + seen->silent;
	}
}

void cut_off(const struct stage_options *o, const char *name, uint64_t step,
	     looking *fn, struct seen *seen)
{
	struct disk *whole = d;
	uint64_t size;

	disk_data(d, name, &size);
	for (uint64_t at = 0; at < size; at += step) {
		d = disk_copy(whole);
		disk_resize(d, name, at);
		fn(o, seen);
		disk_destroy(d);
	}
	d = whole;
}

void print_seen(const struct seen *seen)
{
	printf("# %u times: %u refused, %u damaged, %u behind, %u good\n",
	       seen->nr, seen->refused, seen->damaged, seen->behind,
	       seen->good);
}

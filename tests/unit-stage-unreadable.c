// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A disk that for once does not give what is on it: each read in turn fails,
 * while a log is recovered, shown and applied. If this fails, what was
 * acknowledged is given up for good since it could not be read for a moment;
 * whatever word the disk has for that.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage-rig.h"
#include "tap.h"

#define CHUNKS		(RIG_BYTES / RIG_CHUNK)
#define MOST_READS	2000

static struct model m;

static const struct stage_options keep = { .history_ms = 3600000 };
static const struct stage_options at_once = { .history_ms = 0 };
/* The log holds 192 KiB of data. */
static const struct stage_options in_place = {
	.log_bytes = 256 << 10, .on_full_apply = 1,
};

static const struct stage_options on_device = {
	.history_ms = 3600000, .log_device = RIG_DEVICE,
};

/* What a disk has on it, and how it came there: all of it was answered. */
struct scene {
	const char *name;
	const struct stage_options *o;
	unsigned int members;
	bool is_killed;			/* not closed: a tail to be confirmed */
	void (*write)(struct stage *s, struct client *c, struct client *b);
};

static void write_epochs(struct stage *s, struct client *c, struct client *b)
{
	for (uint64_t e = 1; e <= 8; e++)
		client_epoch(c, &m, e, e, e % 3 > 0);
	stage_settle(c->v, false, NULL);
	client_epoch(c, &m, 9, 9, true);
}

static void write_applied(struct stage *s, struct client *c, struct client *b)
{
	for (uint64_t e = 1; e <= 5; e++)
		client_epoch(c, &m, e, e, e % 3 > 0);
	stage_settle(c->v, true, NULL);
	client_epoch(c, &m, 6, 6, true);
	client_epoch(c, &m, 7, 7, false);
}

static void write_group(struct stage *s, struct client *c, struct client *b)
{
	for (uint64_t e = 1; e <= 6; e++) {
		client_open(c, e);
		client_open(b, e);
		client_write(c, &m, e, 3, e);
		client_write(b, NULL, e, 3, e + 50);
		client_commit(b, NULL, e, true);
		client_commit(c, &m, e, true);
	}
}

/* 1 clean, 2 refused; 3 partial, in place; not whole. */
static void write_in_place(struct stage *s, struct client *c, struct client *b)
{
	client_epoch(c, &m, 1, 1, true);
	client_open(c, 2);
	for (int i = 0; i < 4; i++)
		client_write(c, NULL, 0, CHUNKS, 20 + i);
	client_close(c);
	client_connect(c, s, "a");
	client_hello(c, 1, 2);
	client_open(c, 3);
	client_write(c, &m, 0, 9, 3);
	client_commit(c, &m, 3, false);
}

static struct disk *build(const struct scene *sc)
{
	struct disk *d = disk_create(), *left;
	struct stage *s = rig_create(d, sc->o, sc->members);
	struct client c = { 0 }, b = { 0 };

	memset(&m, 0, sizeof(m));
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	if (sc->members > 1) {
		client_connect(&b, s, "b");
		client_hello(&b, 1, 1);
	}
	sc->write(s, &c, &b);
	left = sc->is_killed ? disk_kill(d, disk_moment(d)) : NULL;
	client_close(&c);
	if (b.conn)
		client_close(&b);
	stage_close(s);
	if (!left)
		left = disk_copy(d);
	disk_destroy(d);
	return left;
}

/* All that was answered; in place there is no image, but what was kept is. */
static bool has_all(struct stage *s)
{
	struct stage_volume *v = stage_find(s, "a");
	struct stage_info info;
	struct client c;
	bool is_good;

	stage_get_info(v, &info);
	if (info.header.last_clean != m.clean ||
	    info.header.last_partial != m.partial) {
		printf("# clean %llu, partial %llu, not %llu, %llu: %s\n",
		       (unsigned long long)info.header.last_clean,
		       (unsigned long long)info.header.last_partial,
		       (unsigned long long)m.clean,
		       (unsigned long long)m.partial, info.error.text);
		return false;
	}
	if (info.state == STAGE_IN_PLACE)
		return true;
	client_connect(&c, s, "a");
	is_good = shows(&c, m.image[m.clean]) && shows_all(v, &m);
	client_close(&c);
	return is_good;
}

/* It says what is wrong, or has all. */
static bool is_right_or_error(struct disk *d, const struct scene *sc)
{
	struct error err = { 0 };
	struct stage *s = rig_open(d, sc->o, &err);
	struct stage_info info;
	bool is_good;

	if (!s)
		return err.text[0];
	stage_get_info(stage_find(s, "a"), &info);
	disk_fail_read(d, 0);
	is_good = info.state == STAGE_ERROR ? info.error.text[0] : has_all(s);
	stage_close(s);
	return is_good;
}

static bool is_whole(struct disk *d, const struct scene *sc)
{
	struct stage *s = rig_open(d, sc->o, NULL);
	bool is_good = s && has_all(s);

	stage_close(s);
	return is_good;
}

static bool try_recovery(struct disk *good, const struct scene *sc,
			 uint64_t nth, int word)
{
	struct disk *d = disk_copy(good);
	bool is_good;

	disk_fail_read(d, nth);
	disk_set_read_error(d, word);
	is_good = is_right_or_error(d, sc) && is_whole(d, sc);
	if (!is_good)
		printf("# read %llu: %s\n", (unsigned long long)nth,
		       strerror(-word));
	disk_destroy(d);
	return is_good;
}

/* What kernels say: of block devices, of file systems; the last is nobody's. */
static const int words[] = {
	-EIO, -ENODATA, -EREMOTEIO, -EILSEQ, -EBADMSG, -EUCLEAN, -ETIMEDOUT,
	-ENOLINK, -EBADE, -ENODEV, -ENXIO, -ENOMEM, -EAGAIN, -ESTALE, -ENOENT,
	-EPROTONOSUPPORT,
};

#define NR_WORDS	(sizeof(words) / sizeof(*words))

static unsigned int try_words(struct disk *good, const struct scene *sc,
			      uint64_t nth)
{
	unsigned int bad = 0;

	for (unsigned int i = 0; i < NR_WORDS; i++)
		bad += !try_recovery(good, sc, nth, words[i]);
	return bad;
}

/* Those that mean something else to who reads a block never come that far. */
static void test_words(void)
{
	static const int gone[] = { -EIO, -ENODATA, -EREMOTEIO, -EILSEQ };
	unsigned int nr = 0, other = 0;

	for (unsigned int i = 0; i < NR_WORDS; i++) {
		int ret = stage_read_error(words[i]);

		nr += ret == -EIO;
		other += ret == -ENODATA || ret == -EBADMSG || ret >= 0 ||
			 ret == -EPROTONOSUPPORT || ret == -ENOENT;
	}
	for (unsigned int i = 0; i < sizeof(gone) / sizeof(*gone); i++)
		is_int(stage_read_error(gone[i]), -EIO, "%s: gone for good",
		       strerror(-gone[i]));
	is_int(nr, sizeof(gone) / sizeof(*gone), "all others may heal");
	is_int(other, 0, "none is taken for what a codec says");
}

/* So often it reads while it recovers. */
static uint64_t count_reads(struct disk *good, const struct scene *sc)
{
	struct disk *d = disk_copy(good);
	struct stage *s;
	uint64_t nr;

	disk_fail_read(d, 0);
	s = rig_open(d, sc->o, NULL);
	nr = disk_reads(d);
	stage_close(s);
	disk_destroy(d);
	return nr;
}

static void test_recovery(const struct scene *sc)
{
	struct disk *good = build(sc);
	uint64_t most = count_reads(good, sc);
	unsigned int bad = 0;

	for (uint64_t n = 1; n <= most && bad < 3; n++)
		bad += try_words(good, sc, n);
	printf("# %llu reads\n", (unsigned long long)most);
	ok(most > 3 && most < MOST_READS, "%s: it reads", sc->name);
	is_int(bad, 0, "each read of a recovery fails");
	disk_destroy(good);
}

/* --- while it is served and applied --------------------------------------- */

/* Right, or an error in words. */
static bool reads_right(struct stage_volume *v, uint64_t epoch)
{
	char buf[RIG_BYTES];
	struct error err = { 0 };
	struct stage_image *i;
	int ret = stage_image_open(&i, v, epoch, &err);

	if (ret)
		return err.text[0];
	ret = stage_image_read(i, buf, sizeof(buf), 0, &err);
	epoch = stage_image_epoch(i);
	stage_image_close(i);
	return ret ? err.text[0] :
		     !memcmp(buf, m.image[epoch], sizeof(buf));
}

/* The applier tries again by itself. */
static bool is_applied(struct disk *d, struct stage_volume *v)
{
	uint64_t size;

	for (int i = 0; i < 3000 && stage_settle(v, true, NULL); i++)
		usleep(10000);
	return !memcmp(disk_data(d, "/base/a", &size), m.image[m.clean],
		       RIG_BYTES);
}

static bool try_serving(struct disk *good, const struct scene *sc, uint64_t nth,
			bool *is_end)
{
	struct disk *d = disk_copy(good);
	struct stage *s = rig_open(d, sc->o, NULL);
	struct stage_volume *v = stage_find(s, "a");
	struct error err = { 0 };
	bool is_good = true;

	disk_fail_read(d, nth);
	for (uint64_t e = 1; e <= m.clean; e++)
		is_good = reads_right(v, e) && is_good;
	if (stage_settle(v, true, &err))
		is_good = is_good && err.text[0];
	*is_end = disk_reads(d) < nth;
	disk_fail_read(d, 0);
	is_good = is_good && has_all(s) && is_applied(d, v) && has_all(s);
	if (!is_good)
		printf("# read %llu: %s\n", (unsigned long long)nth, err.text);
	stage_close(s);
	disk_destroy(d);
	return is_good;
}

static void test_serving(const struct scene *sc)
{
	struct disk *good = build(sc);
	unsigned int bad = 0;
	bool is_end = false;
	uint64_t n;

	for (n = 1; !is_end && n < MOST_READS && bad < 3; n++)
		bad += !try_serving(good, sc, n, &is_end);
	printf("# %llu reads\n", (unsigned long long)n);
	ok(n > 20, "%s: it is served and applied", sc->name);
	is_int(bad, 0, "each read of that fails");
	disk_destroy(good);
}

int main(void)
{
	static const struct scene scenes[] = {
		{ "a history", &keep, 1, false, write_epochs },
		{ "a history, killed", &keep, 1, true, write_epochs },
		{ "applied", &at_once, 1, false, write_applied },
		{ "applied, killed", &at_once, 1, true, write_applied },
		{ "a group", &keep, 2, false, write_group },
		{ "a group, killed", &at_once, 2, true, write_group },
		{ "in place", &in_place, 1, false, write_in_place },
		{ "in place, killed", &in_place, 1, true, write_in_place },
		{ "on a device, killed", &on_device, 1, true, write_epochs },
	};

	test_words();
	for (unsigned int i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++)
		test_recovery(&scenes[i]);
	test_serving(&scenes[0]);
	test_serving(&scenes[4]);
	return tap_done();
}

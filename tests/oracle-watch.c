// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle-watch [options] STATE SOCKET NAME...: looks, again and again, at what
 * a stage shows of the volumes of an oracle writer while they are replicated:
 * the newest image of all of them, VOL@latest and VOL itself where there is one
 * volume only, and each epoch of the history.
 *
 * V1 an image is closed under "depends on" (oracle-image.h), whenever it is
 *    looked at (P1).
 * V2 an epoch holds nothing that was issued after it was first listed, and all
 *    that had completed at a moment after which another epoch was committed
 *    before it: its cut was later than that commit.
 * V3 an epoch is always the same, however often it is read, whatever was killed
 *    in between.
 * V4 the newest epoch never goes back, not by a kill either: what was seen was
 *    durable (S3). What is listed, the newest or another, can be opened; with
 *    --gaps not always (on_full=apply), but then at last.
 * V5 a look fails only where something was killed or pressed (--broken).
 *
 * A server that is not there is waited for. SIGTERM ends it, after one more
 * look at the history. Status 0: all held; 1: a violation; 2: too little
 * was seen, or something else went wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "history.h"
#include "nbd-read.h"
#include "oracle-state.h"

#define PIECE		(1U << 20)
#define REREAD		4	/* of so many known epochs one is read again */
#define EVERY		8	/* looks at the newest, then one at all */

static const char usage[] =
"usage: oracle-watch [options] STATE SOCKET NAME...\n"
"  --images N    at least so many must be seen (1), ...\n"
"  --behind N    ... while a newer epoch was open or kept as partial (0), ...\n"
"  --history N   ... so many epochs of the history (0)\n"
"  --gaps N      so many times there must have been no image (not allowed)\n"
"  --broken N    at most so many looks may fail (any number)\n"
"  --patience S  without a server (60)\n"
"  --enough FILE make it when that has been seen\n"
"  --looked FILE make it after each look, if it is not there\n";

enum {
	IMAGES = 256, BEHIND, HISTORY, PATIENCE, ENOUGH, LOOKED, GAPS, BROKEN,
	HELP
};

static const struct option long_options[] = {
	{ "images", 1, NULL, IMAGES }, { "behind", 1, NULL, BEHIND },
	{ "history", 1, NULL, HISTORY }, { "patience", 1, NULL, PATIENCE },
	{ "enough", 1, NULL, ENOUGH }, { "looked", 1, NULL, LOOKED },
	{ "gaps", 1, NULL, GAPS }, { "broken", 1, NULL, BROKEN },
	{ "help", 0, NULL, HELP },
	{ NULL, 0, NULL, 0 },
};

static unsigned long option[HELP - IMAGES + 1] = {
	[IMAGES - IMAGES] = 1, [PATIENCE - IMAGES] = 60,
	[BROKEN - IMAGES] = -1,
};
#define OPTION(name)	option[(name) - IMAGES]

/* An epoch that was listed. */
struct known {
	uint64_t epoch;
	struct oracle_bounds bounds;	/* V2 */
	uint64_t hash;			/* V3 */
	bool is_read;
};

/* What had completed when the newest was this, or before. */
struct sight {
	uint64_t newest;
	struct oracle_bounds bounds;
};

static struct oracle_state *state;
static const char *socket_path, *enough_path, *looked_path;
static char **names;
static char *volumes[ORACLE_VOLUMES_MAX];	/* data of the last image */
static struct oracle_image *newest_image, *live_image[2];
static struct known *known;
static struct sight *sights;
static size_t nr_known, nr_sights, max_known, max_sights;
static uint64_t newest;
static uint64_t nr_images, nr_live, nr_behind, nr_history, nr_again, nr_gone,
	nr_broken, nr_gaps, nr_violations;
static bool is_behind, is_in_place;	/* at the last listing */
static bool is_gap;			/* there was no image, last */
static volatile sig_atomic_t is_ending;

static void __attribute__((format(printf, 1, 2)))
violation(const char *fmt, ...)
{
	va_list args;

	nr_violations++;
	printf("# watch: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	atomic_store(&state->stop, 1);
}

static uint64_t bytes_of(uint32_t volume)
{
	return state->plan.sectors[volume] * 512;
}

/* One more at the end of an array; exits without memory. */
static void *add_one(void *array, size_t *nr, size_t *max, size_t size)
{
	if (*nr == *max) {
		*max = *max ? *max * 2 : 64;
		array = realloc(array, *max * size);
		if (!array)
			exit(2);
	}
	memset((char *)array + *nr * size, 0, size);
	++*nr;
	return array;
}

/* --- what is known of an epoch -------------------------------------------- */

/* V2. The epochs ascend, and this one is the last. */
static void bound_below(struct known *k)
{
	uint64_t before = nr_known > 1 ? k[-1].epoch : 0;
	size_t i = nr_sights;

	while (i-- > 0) {
		if (sights[i].newest >= before)
			continue;
		memcpy(k->bounds.completed, sights[i].bounds.completed,
		       sizeof(k->bounds.completed));
		return;
	}
}

static void note_epochs(const struct history *h)
{
	struct oracle_bounds now = { .completed = { 0 } };
	uint64_t last = nr_known ? known[nr_known - 1].epoch : 0;

	oracle_state_issued(state, &now);
	for (size_t i = 0; i < h->nr; i++) {
		struct known *k;

		if (!h->epochs[i].is_clean || h->epochs[i].epoch <= last)
			continue;
		known = add_one(known, &nr_known, &max_known, sizeof(*known));
		k = &known[nr_known - 1];
		k->epoch = h->epochs[i].epoch;
		k->bounds = now;
		bound_below(k);
	}
}

static struct known *find_known(uint64_t epoch)
{
	size_t i = nr_known;

	while (i-- > 0)
		if (known[i].epoch == epoch)
			return &known[i];
	return NULL;
}

/* --- reading -------------------------------------------------------------- */

static int read_export(const char *name, char *buf, uint64_t bytes,
		       uint32_t piece)
{
	struct nbd_reader r;
	int ret = nbd_reader_open(&r, socket_path, name);

	if (ret)
		return ret;
	for (uint64_t at = 0; !ret && at < bytes; at += piece)
		ret = nbd_reader_read(&r, buf + at, bytes - at < piece ?
				      bytes - at : piece, at);
	nbd_reader_close(&r);
	return ret;
}

static int fetch_history(struct history *h)
{
	struct nbd_reader r;
	struct error err;
	char name[100], *bytes;
	int ret;

	snprintf(name, sizeof(name), "%s%s", names[0], HISTORY_SUFFIX);
	ret = nbd_reader_open(&r, socket_path, name);
	if (ret)
		return ret;
	bytes = malloc(r.bytes);
	ret = bytes ? nbd_reader_read(&r, bytes, r.bytes, 0) : -ENOMEM;
	if (!ret && history_decode(h, bytes, r.bytes, &err)) {
		violation("the history is damaged");
		ret = -EBADMSG;
	}
	free(bytes);
	nbd_reader_close(&r);
	return ret;
}

/* The newest epoch, 0 = none yet; what is listed becomes known. */
static int list(struct history *h)
{
	struct sight *s;
	int ret;

	sights = add_one(sights, &nr_sights, &max_sights, sizeof(*sights));
	s = &sights[nr_sights - 1];
	oracle_state_completed(state, &s->bounds);
	ret = fetch_history(h);
	if (ret) {
		nr_sights--;
		return ret;
	}
	s->newest = h->last_clean;
	if (h->last_clean < newest)
		violation("the newest epoch was %" PRIu64 ", and is %" PRIu64,
			  newest, h->last_clean);
	newest = h->last_clean;
	is_in_place = h->state == STAGE_IN_PLACE;
	is_behind = h->open_epoch > newest || h->last_partial > newest;
	note_epochs(h);
	return 0;
}

/* --- judging -------------------------------------------------------------- */

static void judge(struct oracle_image *image, const char *what, uint64_t epoch,
		  const struct oracle_bounds *bounds)
{
	for (uint32_t v = 0; v < state->plan.nr_volumes; v++)
		oracle_image_put(image, v, 0, volumes[v],
				 state->plan.sectors[v]);
	if (oracle_image_check(image, bounds, NULL))
		violation("%s, epoch %" PRIu64 ": not a closed image", what,
			  epoch);
}

static uint64_t hash_volumes(void)
{
	uint64_t hash = 0;

	for (uint32_t v = 0; v < state->plan.nr_volumes; v++)
		hash = XXH3_64bits_withSeed(volumes[v], bytes_of(v), hash);
	return hash;
}

/* -ENOENT: it has left the history. */
static int check_epoch(struct known *k, struct oracle_image *image)
{
	char name[100];
	uint64_t hash;
	int ret = 0;

	for (uint32_t v = 0; !ret && v < state->plan.nr_volumes; v++) {
		snprintf(name, sizeof(name), "%s@%" PRIu64, names[v],
			 k->epoch);
		ret = read_export(name, volumes[v], bytes_of(v), PIECE);
	}
	if (ret)
		return ret;
	hash = hash_volumes();
	if (k->is_read && hash != k->hash)
		violation("epoch %" PRIu64 " is another one than before (V3)",
			  k->epoch);
	nr_again += k->is_read;
	k->hash = hash;
	k->is_read = true;
	judge(image, "history", k->epoch, &k->bounds);
	return 0;
}

/* V4 */
static void no_image(const char *why, uint64_t epoch)
{
	is_gap = true;
	if (OPTION(GAPS))
		nr_gaps++;
	else
		violation("epoch %" PRIu64 " %s", epoch, why);
}

/* V4: it could not be opened. Has it left the history? */
static int check_gone(uint64_t epoch)
{
	struct history h;
	int ret = list(&h);

	if (ret)
		return ret;
	if (history_find(&h, epoch))
		no_image("is listed and not there", epoch);
	history_clear(&h);
	nr_gone++;
	return 0;
}

static int check_newest(uint64_t epoch)
{
	struct known *k = find_known(epoch);
	int ret = k ? check_epoch(k, newest_image) : 0;

	is_gap = false;
	if (!k) {
		no_image("is not listed", epoch);
		return 0;
	}
	nr_images += !ret;
	nr_behind += !ret && is_behind;
	return ret == -ENOENT ? check_gone(epoch) : ret;
}

/*
 * A read of VOL may show an epoch in place, if that is said (--gaps). It is
 * over with a clean commit: so it wasn't, if none came and it isn't said now.
 */
static bool was_in_place(const char *suffix, uint64_t before)
{
	struct history h;

	if (*suffix || !OPTION(GAPS))
		return false;
	if (is_in_place || list(&h))
		return true;
	history_clear(&h);
	return is_in_place || newest != before;
}

/* What is not named by an epoch: at least as new as the newest before. */
static int check_live(unsigned int i)
{
	static const char *const suffix[] = { "", "@latest" };
	const struct known *k = find_known(newest);
	struct oracle_bounds bounds;
	uint64_t epoch = newest;
	char name[100];
	int ret;

	if (!k)
		return 0;
	bounds = k->bounds;
	snprintf(name, sizeof(name), "%s%s", names[0], suffix[i]);
	ret = read_export(name, volumes[0], bytes_of(0), bytes_of(0));
	if (ret == -ENOENT || (ret == -EIO && OPTION(GAPS))) {
		no_image("is there by its number only", newest);
		return 0;
	}
	if (ret || was_in_place(suffix[i], epoch))
		return ret;
	oracle_state_issued(state, &bounds);
	judge(live_image[i], name, epoch, &bounds);
	nr_live++;
	return 0;
}

/* What was not read yet, and some of the rest. */
static int check_history(const struct history *h)
{
	struct oracle_image *image = oracle_image_create(&state->plan);
	int ret = image ? 0 : -ENOMEM;

	for (size_t i = 0; !ret && i < h->nr; i++) {
		struct known *k = find_known(h->epochs[i].epoch);

		if (!h->epochs[i].is_clean || !k ||
		    (k->is_read && rand() % REREAD))
			continue;
		ret = check_epoch(k, image);
		nr_history += !ret;
		if (ret == -ENOENT)
			ret = check_gone(k->epoch);
	}
	oracle_image_destroy(image);
	return ret;
}

/* --- the whole ------------------------------------------------------------ */

static int look(bool is_history)
{
	struct history h;
	int ret = list(&h);

	if (ret)
		return ret;
	if (newest && is_history)
		ret = check_history(&h);
	else if (newest)
		ret = check_newest(newest);
	for (unsigned int i = 0; !ret && newest && i < 2; i++)
		if (state->plan.nr_volumes == 1)
			ret = check_live(i);
	history_clear(&h);
	return ret;
}

static uint64_t now_s(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

/*
 * Until something was looked at; the last look until all was. False: nobody was
 * there for too long.
 */
static bool look_well(bool is_history, bool is_last)
{
	const struct timespec nap = { .tv_nsec = 20000000 };
	uint64_t end = now_s() + OPTION(PATIENCE);
	uint64_t before = nr_images + nr_history;
	int ret;

	while ((ret = look(is_history))) {
		nr_broken++;
		if (!is_last && nr_images + nr_history > before)
			return true;
		if (now_s() > end || (is_ending && !is_last)) {
			printf("# watch: %s\n", strerror(-ret));
			return is_ending && !is_last;
		}
		nanosleep(&nap, NULL);
	}
	return true;
}

static bool is_enough(void)
{
	return nr_images >= OPTION(IMAGES) && nr_behind >= OPTION(BEHIND) &&
	       nr_history >= OPTION(HISTORY) && nr_gaps >= OPTION(GAPS);
}

static void make_file(const char *path)
{
	FILE *file = path ? fopen(path, "w") : NULL;

	if (file)
		fclose(file);
}

static void tell_progress(void)
{
	make_file(looked_path);
	if (!enough_path || !is_enough())
		return;
	make_file(enough_path);
	enough_path = NULL;
}

static int report(bool is_well)
{
	printf("# watch: epochs=%zu images=%" PRIu64 " live=%" PRIu64
	       " behind=%" PRIu64 " history=%" PRIu64 " again=%" PRIu64
	       " gone=%" PRIu64 " broken=%" PRIu64 " gaps=%" PRIu64
	       " violations=%" PRIu64 "\n",
	       nr_known, nr_images, nr_live, nr_behind, nr_history, nr_again,
	       nr_gone, nr_broken, nr_gaps, nr_violations);
	if (nr_violations)
		return 1;
	if (is_well && is_enough())
		return 0;
	printf("# watch: too little was seen\n");
	return 2;
}

static void end(int sig)
{
	is_ending = 1;
}

static int set_up(char **argv)
{
	int err = oracle_state_open(argv[0], &state);
	uint32_t nr = 0;

	if (err) {
		fprintf(stderr, "oracle-watch: %s: %s\n", argv[0],
			strerror(-err));
		return err;
	}
	socket_path = argv[1];
	names = argv + 2;
	while (names[nr])
		nr++;
	if (nr != state->plan.nr_volumes) {
		fprintf(stderr, "oracle-watch: the writer has %u volumes\n",
			state->plan.nr_volumes);
		return -EINVAL;
	}
	for (uint32_t v = 0; v < nr; v++)
		volumes[v] = malloc(bytes_of(v));
	newest_image = oracle_image_create(&state->plan);
	for (int i = 0; i < 2; i++)
		live_image[i] = oracle_image_create(&state->plan);
	return newest_image && live_image[1] && volumes[nr - 1] ? 0 : -ENOMEM;
}

static int parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == HELP || c == '?') {
			fputs(usage, c == HELP ? stdout : stderr);
			return c == HELP ? 0 : 2;
		}
		if (c == ENOUGH)
			enough_path = optarg;
		else if (c == LOOKED)
			looked_path = optarg;
		else
			OPTION(c) = strtoul(optarg, NULL, 0);
	}
	if (argc - optind < 3) {
		fputs(usage, stderr);
		return 2;
	}
	return -1;
}

int main(int argc, char **argv)
{
	int err = parse_options(argc, argv);
	bool is_well = true;

	if (err >= 0)
		return err;
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGTERM, end);
	if (set_up(argv + optind))
		return 2;
	for (unsigned int n = 1; is_well && !is_ending && !nr_violations; n++) {
		is_well = look_well(n % EVERY == 0, false);
		if (is_well)
			tell_progress();
	}
	if (is_well && !nr_violations)
		is_well = look_well(true, true) && look_well(false, true);
	if (is_well && is_gap)
		violation("there is no image at last");
	if (nr_broken > OPTION(BROKEN))
		violation("%" PRIu64 " looks failed (V5)", nr_broken);
	return report(is_well);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The application of a random walk (lib-walk.sh), and the judge of its images:
 *
 *	walk-oracle write [--least LIFE.N] [--pause US] LIVES ACKED V...
 *		on volumes of the simulated kernel in $SIM_DIR, until a write
 *		fails (status 1) or SIGTERM (0)
 *	walk-oracle check [--least LIFE.N] [--exactly LIFE.N] LIVES IMAGE...
 *		prints LIFE.N, the newest record of these images, which are
 *		files, one for each volume; status 1 if they are wrong
 *	walk-oracle image LIVES LIFE.N NR FILE...
 *		what the volumes hold after that record, of NR chunks each
 *	walk-oracle kept IMAGE BEFORE FILE...
 *		what IMAGE has and BEFORE has not is in one of the files
 *
 * A *life* is one run of the writer: one chain of records of 4 KiB, each
 * issued when the one before has completed, over all volumes. It begins with
 * the images as they are, and LIVES says where: a line "LIFE PARENT N CHUNKS",
 * after record N of the life PARENT. So the lives are a tree, and a moment of
 * an application at either site is one LIFE.N. ACKED is LIFE, and the numbers
 * of the newest record that was issued, and that was acknowledged: three words
 * of 64 bits.
 *
 * L1 Images are right if they are all as after one record of one life: each
 *    chunk holds the newest record of that life, or of its ancestors up to
 *    where it left them, that was written there, and nothing else.
 * L2 A life has a larger number than all that began before it. So the newest
 *    record in right images is that of the largest life, and there the largest.
 * L3 --least: that moment is an ancestor of what is there (or is it): whoever
 *    was told that a record is safe does not lose it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim-kernel.h"

#define MAGIC		0x6b6c617765666c69ull
#define CHUNK		4096
#define MAX_LIVES	4096
#define MAX_VOLUMES	8

struct moment {
	uint64_t life, number;
};

struct life {
	struct moment parent;
	uint64_t nr_chunks;
};

struct record {
	uint64_t magic;
	struct moment at;
	uint64_t volume, chunk;
	uint64_t fill[CHUNK / 8 - 5];
};
_Static_assert(sizeof(struct record) == CHUNK, "a record is a chunk");

/* What the volumes hold: a moment for each chunk; of life 0: zeros. */
struct content {
	unsigned int nr_volumes;
	uint64_t nr_chunks;
	struct moment *chunk[MAX_VOLUMES];
};

static struct life lives[MAX_LIVES];
static uint64_t nr_lives = 1;
static volatile sig_atomic_t is_over;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "walk-oracle: %s: %s\n", what, strerror(errno));
	exit(2);
}

static _Noreturn void die_of(const char *what)
{
	fprintf(stderr, "walk-oracle: %s\n", what);
	exit(2);
}

/* --- lives ---------------------------------------------------------------- */

static void load_lives(const char *path)
{
	FILE *f = fopen(path, "re");
	uint64_t id;
	struct life l;

	if (!f)
		die(path);
	while (fscanf(f, "%" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64, &id,
		      &l.parent.life, &l.parent.number, &l.nr_chunks) == 4) {
		if (id != nr_lives || id == MAX_LIVES || l.parent.life >= id)
			die_of("these are no lives");
		lives[nr_lives++] = l;
	}
	fclose(f);
}

static uint64_t begin_life(const char *path, struct moment parent,
			   uint64_t nr_chunks)
{
	FILE *f = fopen(path, "ae");
	uint64_t id = nr_lives;

	if (!f || id == MAX_LIVES)
		die(path);
	fprintf(f, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", id,
		parent.life, parent.number, nr_chunks);
	if (fclose(f))
		die(path);
	lives[nr_lives++] = (struct life){ parent, nr_chunks };
	return id;
}

/* L3 */
static bool has(struct moment now, struct moment then)
{
	while (now.life > then.life)
		now = lives[now.life].parent;
	return now.life == then.life && now.number >= then.number;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
	a = (a ^ b) * 0x9fb21c651e98df25ull;
	a ^= a >> 32;
	a *= 0x9fb21c651e98df25ull;
	return a ^ a >> 29;
}

/* Where a record goes to: every other one to a few places that are hot. */
static void place(struct moment at, unsigned int nr_volumes, uint64_t *volume,
		  uint64_t *chunk)
{
	uint64_t r = mix(at.life, at.number);

	*volume = r % nr_volumes;
	r = mix(r, 1);
	*chunk = r % 2 ? mix(r, 2) % 16 :
			 mix(r, 2) % lives[at.life].nr_chunks;
}

static void fill_record(struct moment at, uint64_t volume, uint64_t chunk,
			struct record *r)
{
	uint64_t word = mix(at.life << 32 ^ at.number, volume << 32 ^ chunk);

	*r = (struct record){ MAGIC, at, volume, chunk, { 0 } };
	for (size_t i = 0; i < sizeof(r->fill) / 8; i++)
		r->fill[i] = word = mix(word, i);
}

/* --- images --------------------------------------------------------------- */

static void content_create(struct content *c, unsigned int nr_volumes,
			   uint64_t nr_chunks)
{
	c->nr_volumes = nr_volumes;
	c->nr_chunks = nr_chunks;
	for (unsigned int v = 0; v < nr_volumes; v++) {
		c->chunk[v] = calloc(nr_chunks, sizeof(*c->chunk[v]));
		if (!c->chunk[v])
			die("memory");
	}
}

/* After that record. */
static void replay(struct content *c, struct moment at)
{
	if (!at.life)
		return;
	replay(c, lives[at.life].parent);
	for (struct moment m = { at.life, 1 }; m.number <= at.number;
	     m.number++) {
		uint64_t v, chunk;

		place(m, c->nr_volumes, &v, &chunk);
		if (chunk < c->nr_chunks)
			c->chunk[v][chunk] = m;
	}
}

static bool is_zero(const struct record *r)
{
	static const struct record zeros;

	return !memcmp(r, &zeros, sizeof(zeros));
}

static unsigned int nr_wrong;

static void wrong(uint64_t v, uint64_t chunk, const char *what)
{
	if (nr_wrong++ < 5)
		printf("# volume %" PRIu64 ", chunk %" PRIu64 ": %s\n", v,
		       chunk, what);
}

static struct moment parse(const struct record *r, uint64_t v, uint64_t chunk)
{
	struct record want;

	if (is_zero(r))
		return (struct moment){ 0, 0 };
	if (r->magic == MAGIC && r->at.life && r->at.life < nr_lives) {
		fill_record(r->at, v, chunk, &want);
		if (!memcmp(r, &want, sizeof(want)))
			return r->at;
	}
	wrong(v, chunk, "was never written there");
	return (struct moment){ 0, 0 };
}

static uint64_t chunks_of(int fd)
{
	struct stat st;

	if (fstat(fd, &st))
		die("fstat");
	return st.st_size / CHUNK;
}

static void read_image(struct content *c, uint64_t v, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct record r;

	if (fd < 0)
		die(path);
	for (uint64_t i = 0; i < c->nr_chunks; i++) {
		if (pread(fd, &r, sizeof(r), i * CHUNK) != sizeof(r))
			die(path);
		c->chunk[v][i] = parse(&r, v, i);
	}
	close(fd);
}

static void read_images(struct content *c, char **paths, int nr)
{
	int fd = nr ? open(paths[0], O_RDONLY | O_CLOEXEC) : -1;

	if (fd < 0 || nr > MAX_VOLUMES)
		die(nr ? paths[0] : "no image");
	content_create(c, nr, chunks_of(fd));
	close(fd);
	for (int v = 0; v < nr; v++)
		read_image(c, v, paths[v]);
}

/* L2 */
static struct moment newest_of(const struct content *c)
{
	struct moment newest = { 0, 0 };

	for (unsigned int v = 0; v < c->nr_volumes; v++)
		for (uint64_t i = 0; i < c->nr_chunks; i++) {
			struct moment m = c->chunk[v][i];

			if (m.life > newest.life ||
			    (m.life == newest.life && m.number > newest.number))
				newest = m;
		}
	return newest;
}

static void complain(uint64_t v, uint64_t i, struct moment is,
		     struct moment want)
{
	char text[160];

	snprintf(text, sizeof(text), "has %" PRIu64 ".%" PRIu64 ", not %"
		 PRIu64 ".%" PRIu64, is.life, is.number, want.life,
		 want.number);
	wrong(v, i, text);
}

/* L1 */
static struct moment check_content(const struct content *c)
{
	struct moment newest = newest_of(c);
	struct content want;

	content_create(&want, c->nr_volumes, c->nr_chunks);
	replay(&want, newest);
	for (unsigned int v = 0; v < c->nr_volumes; v++)
		for (uint64_t i = 0; i < c->nr_chunks; i++)
			if (memcmp(&c->chunk[v][i], &want.chunk[v][i],
				   sizeof(struct moment)))
				complain(v, i, c->chunk[v][i],
					 want.chunk[v][i]);
	if (nr_wrong)
		printf("# %u chunks are not as after %" PRIu64 ".%" PRIu64
		       "\n", nr_wrong, newest.life, newest.number);
	return newest;
}

struct limits {
	struct moment least, exactly;
	unsigned int pause_us;
};

static void check_limits(struct moment is, const struct limits *l)
{
	const struct moment *exactly = &l->exactly;

	if (!has(is, l->least)) {
		printf("# it does not have %" PRIu64 ".%" PRIu64 "\n",
		       l->least.life, l->least.number);
		nr_wrong++;
	}
	if (exactly->life && memcmp(&is, exactly, sizeof(is))) {
		printf("# it is not %" PRIu64 ".%" PRIu64 "\n", exactly->life,
		       exactly->number);
		nr_wrong++;
	}
}

/* --- verbs ---------------------------------------------------------------- */

static int do_check(const struct limits *limits, char **argv, int argc)
{
	struct content c;
	struct moment is;

	load_lives(argv[0]);
	read_images(&c, argv + 1, argc - 1);
	is = check_content(&c);
	check_limits(is, limits);
	printf("%" PRIu64 ".%" PRIu64 "\n", is.life, is.number);
	return nr_wrong ? 1 : 0;
}

static struct moment parse_moment(const char *text)
{
	struct moment m;

	if (sscanf(text, "%" SCNu64 ".%" SCNu64, &m.life, &m.number) != 2)
		die_of("a moment is LIFE.N");
	return m;
}

static void write_image(const struct content *c, unsigned int v,
			const char *path)
{
	FILE *f = fopen(path, "we");
	struct record r;

	if (!f)
		die(path);
	for (uint64_t i = 0; i < c->nr_chunks; i++) {
		struct moment m = c->chunk[v][i];

		memset(&r, 0, sizeof(r));
		if (m.life)
			fill_record(m, v, i, &r);
		if (fwrite(&r, sizeof(r), 1, f) != 1)
			die(path);
	}
	if (fclose(f))
		die(path);
}

static int do_image(const struct limits *limits, char **argv, int argc)
{
	struct content c;

	if (argc < 4)
		die_of("image LIVES LIFE.N NR FILE...");
	load_lives(argv[0]);
	content_create(&c, argc - 3, strtoull(argv[2], NULL, 0));
	replay(&c, parse_moment(argv[1]));
	for (int v = 0; v < argc - 3; v++)
		write_image(&c, v, argv[3 + v]);
	return 0;
}

static bool is_in(const struct record *r, uint64_t chunk, const int *fds,
		  int nr)
{
	struct record got;

	for (int i = 0; i < nr; i++)
		if (pread(fds[i], &got, sizeof(got), chunk * CHUNK) ==
		    sizeof(got) && !memcmp(&got, r, sizeof(got)))
			return true;
	return false;
}

static int do_kept(const struct limits *limits, char **argv, int argc)
{
	int fds[64];
	struct record r;

	if (argc > 64)
		die_of("too many files");
	for (int i = 0; i < argc; i++) {
		fds[i] = open(argv[i], O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			die(argv[i]);
	}
	for (uint64_t i = 0; pread(fds[0], &r, sizeof(r), i * CHUNK) ==
	     sizeof(r); i++)
		if (!is_in(&r, i, fds + 1, argc - 1))
			wrong(0, i, "is nowhere");
	return nr_wrong ? 1 : 0;
}

static uint64_t *map_acked(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	uint64_t *acked;

	if (fd < 0 || ftruncate(fd, 3 * sizeof(*acked)))
		die(path);
	acked = mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (acked == MAP_FAILED)
		die(path);
	close(fd);
	return acked;
}

static void stop(int sig)
{
	is_over = 1;
}

static int write_records(uint64_t life, uint64_t *acked, char **names, int nr,
			 unsigned int pause_us)
{
	struct moment at = { life, 1 };
	struct record r;
	int err = 0;

	for (; !err && !is_over; at.number++) {
		uint64_t v, chunk;

		place(at, nr, &v, &chunk);
		fill_record(at, v, chunk, &r);
		acked[1] = at.number;
		err = sim_write(names[v], &r, sizeof(r), chunk * CHUNK);
		if (!err)
			acked[2] = at.number;
		usleep(pause_us);
	}
	if (err)
		fprintf(stderr, "walk-oracle: life %" PRIu64 ": %s\n", life,
			strerror(-err));
	return err ? 1 : 0;
}

static int do_write(const struct limits *limits, char **argv, int argc)
{
	char *paths[MAX_VOLUMES];
	uint64_t *acked, life;
	struct content c;
	struct moment is;

	if (argc < 3 || argc - 2 > MAX_VOLUMES || !getenv("SIM_DIR"))
		die_of("write LIVES ACKED V...");
	load_lives(argv[0]);
	for (int v = 0; v < argc - 2; v++)
		if (asprintf(&paths[v], "%s/%s.img", getenv("SIM_DIR"),
			     argv[2 + v]) < 0)
			die("memory");
	read_images(&c, paths, argc - 2);
	is = check_content(&c);
	check_limits(is, limits);
	if (nr_wrong)
		return 3;
	life = begin_life(argv[0], is, c.nr_chunks);
	acked = map_acked(argv[1]);
	acked[1] = acked[2] = 0;
	acked[0] = life;
	signal(SIGTERM, stop);
	return write_records(life, acked, argv + 2, argc - 2,
			     limits->pause_us);
}

static int run(const char *verb, const struct limits *limits, char **argv,
	       int argc)
{
	if (argc < 2)
		die_of("see the top of its source");
	if (!strcmp(verb, "write"))
		return do_write(limits, argv, argc);
	if (!strcmp(verb, "check"))
		return do_check(limits, argv, argc);
	if (!strcmp(verb, "image"))
		return do_image(limits, argv, argc);
	if (!strcmp(verb, "kept"))
		return do_kept(limits, argv, argc);
	die_of("no such verb");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "least", 1, NULL, 'l' }, { "exactly", 1, NULL, 'e' },
		{ "pause", 1, NULL, 'p' }, { 0 }
	};
	struct limits limits = { .pause_us = 1000 };
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'l')
			limits.least = parse_moment(optarg);
		else if (c == 'e')
			limits.exactly = parse_moment(optarg);
		else if (c == 'p')
			limits.pause_us = atoi(optarg);
		else
			return 2;
	}
	if (optind == argc)
		die_of("see the top of its source");
	return run(argv[optind], &limits, argv + optind + 1,
		   argc - optind - 1);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "client-look.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "stage-rig.h"

#define WALK_SUMS	8	/* chunks, that are looked at together */

/* --- what goes wrong ------------------------------------------------------ */

void wrong(struct walk *w, const char *fmt, ...)
{
	va_list args;

	if (w->is_wrong)
		return;
	w->is_wrong = true;
	for (unsigned int i = 1; i <= WALK_LAST; i++)
		printf("# %s\n", w->last[(w->nr_last + i) % WALK_LAST]);
	printf("# wrong: ");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
}

void note(struct walk *w, const char *text)
{
	w->nr_last = (w->nr_last + 1) % WALK_LAST;
	snprintf(w->last[w->nr_last], sizeof(w->last[0]), "%s", text);
}

/* --- looking -------------------------------------------------------------- */

struct stage_volume *volume(struct walk *w, unsigned int member)
{
	char name[2] = { 'a' + member };

	return stage_find(w->s, name);
}

/* From this sector on; NULL: zeros. */
static bool is_image(const char *buf, uint64_t sector, uint64_t nr,
		     const uint32_t *image)
{
	char want[WALK_SECTOR];

	for (uint64_t i = 0; i < nr; i++) {
		fill_sector(want, sector + i, image ? image[sector + i] : 0);
		if (memcmp(buf + i * WALK_SECTOR, want, sizeof(want)))
			return false;
	}
	return true;
}

typedef int (*reader)(void *from, void *buf, size_t len, uint64_t off,
		      struct error *err);

static int read_conn(void *from, void *buf, size_t len, uint64_t off,
		     struct error *err)
{
	return stage_conn_read(from, buf, len, off, err);
}

static int read_image(void *from, void *buf, size_t len, uint64_t off,
		      struct error *err)
{
	return stage_image_read(from, buf, len, off, err);
}

/* A piece of it, or all. */
static void check_data(struct walk *w, reader read, void *from,
		       unsigned int member, const uint32_t *image, bool is_all,
		       const char *what)
{
	static char buf[WALK_BYTES_MAX];
	uint64_t sectors = w->m.members[member].bytes / WALK_SECTOR;
	uint64_t at = is_all ? 0 : roll(&w->dice, 3) * (sectors - 80) / 2;
	uint64_t nr = is_all ? sectors : 80;
	struct error err = { 0 };

	if (read(from, buf, nr * WALK_SECTOR, at * WALK_SECTOR, &err))
		wrong(w, "%s: %s", what, err.text);
	else if (!is_image(buf, at, nr, image))
		wrong(w, "%s: other data, member %u", what, member);
}

static bool read_tail(struct walk *w, struct stage_conn *c,
		      struct replica_header *h)
{
	char slots[REPLICA_HEADERS_BYTES];
	struct error err = { 0 };
	int ret = stage_conn_read(c, slots, sizeof(slots),
				  replica_tail_offset(stage_conn_bytes(c)),
				  &err);

	if (ret)
		wrong(w, "the tail: %s", err.text);
	ret = ret ? ret : replica_header_pick(h, slots, sizeof(slots), NULL);
	if (ret && ret != -ENODATA)
		wrong(w, "the tail has no header");
	return !ret;
}

/* Does it say that of each member? */
bool is_served(struct walk *w, const struct client_model *m, char *why)
{
	struct stage_info info;

	for (unsigned int i = 0; i < m->nr_members; i++) {
		stage_get_info(volume(w, i), &info);
		snprintf(why, MODEL_WHY, "epoch %llu is open, not %llu; of %llu "
			 "records", (unsigned long long)info.open_epoch,
			 (unsigned long long)m->open,
			 (unsigned long long)m->members[i].records);
		if (info.open_epoch != m->open ||
		    volume(w, i)->records != m->members[i].records)
			return false;
		snprintf(why, MODEL_WHY, "written or not");
		if (!info.header.seq != !m->members[i].seq ||
		    (info.header.seq &&
		     !model_serves(m, i, &info.header, why)))
			return false;
	}
	return true;
}

struct listing {
	struct walk *w;
	const struct past *newest[WALK_STEPS * 2];	/* oldest last */
	unsigned int nr, left;
	bool is_begun;
};

static int check_listed(void *arg, const struct stage_epoch *e)
{
	struct listing *l = arg;
	const struct past *p;

	if (e->is_base && !e->epoch)
		return 0;
	while (!l->is_begun && l->left &&
	       l->newest[l->left - 1]->epoch < e->epoch)
		l->left--;				/* has left it */
	l->is_begun = true;
	p = l->left ? l->newest[--l->left] : NULL;
	if (!p || p->epoch != e->epoch || p->is_clean != e->is_clean)
		wrong(l->w, "the history has %llu, not %llu",
		      (unsigned long long)e->epoch,
		      (unsigned long long)(p ? p->epoch : 0));
	return 0;
}

/* Each epoch, from some one on; all where nothing may go. */
static void check_history(struct walk *w, unsigned int member)
{
	struct listing l = { .w = w };

	for (const struct past *p = w->m.past; p; p = p->before)
		l.newest[l.nr++] = p;
	l.left = l.nr;
	l.is_begun = w->opts.history_ms;
	stage_history(volume(w, member), check_listed, &l);
	if (l.left && (l.is_begun || w->m.clean))
		wrong(w, "the history lacks epoch %llu",
		      (unsigned long long)l.newest[l.left - 1]->epoch);
}

static void check_epoch(struct walk *w, unsigned int member,
			const struct past *p, bool is_all)
{
	struct error err = { 0 };
	struct stage_image *i;
	int ret = stage_image_open(&i, volume(w, member), p->epoch, &err);

	if (ret) {
		if (w->opts.history_ms || ret != -ENOENT ||
		    p == model_newest(&w->m))
			wrong(w, "epoch %llu: %s",
			      (unsigned long long)p->epoch, err.text);
		return;
	}
	if (stage_image_epoch(i) != p->epoch)
		wrong(w, "epoch %llu is another", (unsigned long long)p->epoch);
	check_data(w, read_image, i, member, p->image[member], is_all,
		   "an epoch");
	stage_image_close(i);
}

static void sum_chunk(const struct member_model *v, uint64_t chunk,
		      struct stage_sum *sum)
{
	uint64_t sector = chunk * WALK_CHUNK / WALK_SECTOR;
	char buf[WALK_CHUNK];

	for (unsigned int i = 0; i < WALK_CHUNK / WALK_SECTOR; i++)
		fill_sector(buf + i * WALK_SECTOR, sector + i,
			    v->now[sector + i]);
	replica_sum(sum, buf, sizeof(buf), v->session.random);
}

/* W4: of what the next commit would leave, but for the open epoch. */
static void check_sums(struct walk *w, unsigned int member)
{
	const struct member_model *v = &w->m.members[member];
	uint64_t chunks = v->bytes / WALK_CHUNK;
	uint64_t first = roll(&w->dice, 3) * (chunks - WALK_SUMS) / 2;
	struct stage_sum sums[WALK_SUMS], want;
	struct error err = { 0 };

	if (stage_get_sums(volume(w, member), first, WALK_SUMS, sums, &err)) {
		wrong(w, "sums: %s", err.text);
		return;
	}
	for (unsigned int i = 0; i < WALK_SUMS; i++) {
		sum_chunk(v, first + i, &want);
		if (memcmp(sums + i, &want, sizeof(want)))
			wrong(w, "another digest of chunk %llu",
			      (unsigned long long)(first + i));
	}
}

static void check_member(struct walk *w, unsigned int member, bool is_all)
{
	const struct past *newest = model_newest(&w->m), *p = w->m.past;
	struct error err = { 0 };
	struct replica_header h;
	struct stage_conn *c;

	if (stage_conn_create(&c, volume(w, member), &err)) {
		wrong(w, "cannot be opened: %s", err.text);
		return;
	}
	check_data(w, read_conn, c, member,
		   newest ? newest->image[member] : NULL, is_all, "the image");
	if (read_tail(w, c, &h) && h.seq != w->m.members[member].seq)
		wrong(w, "the tail has header %llu", (unsigned long long)h.seq);
	stage_conn_destroy(c);
	check_history(w, member);
	check_sums(w, member);
	for (unsigned int i = 0; p; p = p->before, i++)
		if (p->is_clean && (is_all || !roll(&w->dice, 4 + i)))
			check_epoch(w, member, p, is_all && i < 12);
}

void check_all(struct walk *w, bool is_all)
{
	for (unsigned int i = 0; i < w->m.nr_members && !w->is_wrong; i++)
		check_member(w, i, is_all);
}

void check_served(struct walk *w)
{
	char why[MODEL_WHY];

	if (!w->is_wrong && !is_served(w, &w->m, why))
		wrong(w, "the header as served: %s", why);
}

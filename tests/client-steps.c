// SPDX-License-Identifier: GPL-2.0-or-later
#include "client-steps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stage-rig.h"

#define GENERATION	0x1000

uint64_t roll(struct dice *d, uint64_t n)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return (d->state >> 11) % n;
}

/* --- data ----------------------------------------------------------------- */

void fill_sector(char *buf, uint64_t sector, uint32_t seed)
{
	if (seed)
		fill(buf, WALK_SECTOR, sector, seed);
	else
		memset(buf, 0, WALK_SECTOR);
}

void fill_request(const struct request *r, char *buf)
{
	for (uint64_t i = 0; i < r->len / WALK_SECTOR; i++)
		fill_sector(buf + i * WALK_SECTOR, r->off / WALK_SECTOR + i,
			    r->seed + i);
}

static void make_digest(struct request *r)
{
	static _Thread_local char buf[WALK_BYTES_MAX];

	if (r->type == REQUEST_ZERO) {
		r->digest = replica_digest(r->off, NULL, r->len);
		return;
	}
	fill_request(r, buf);
	r->digest = replica_digest(r->off, buf, r->len);
}

/* A few places, so that data overlaps; and up to an end. */
static void choose_place(struct dice *d, const struct conn_model *c,
			 struct request *r)
{
	uint64_t most = roll(d, 30) ? 16 : 1200;
	uint64_t sectors = c->bytes / WALK_SECTOR, at;

	r->len = 1 + roll(d, most);
	switch (roll(d, 4)) {
	case 0:
		at = sectors - 1 - roll(d, 40);
		break;
	case 1:
		at = sectors / 2 + roll(d, 40);
		break;
	default:
		at = roll(d, 40);
	}
	if (at + r->len > sectors)
		r->len = sectors - at;
	r->off = at * WALK_SECTOR;
	r->len *= WALK_SECTOR;
}

static void spoil_place(struct dice *d, const struct conn_model *c,
			struct request *r)
{
	uint64_t tail = replica_tail_offset(c->bytes);

	switch (roll(d, 6)) {
	case 0:
		r->off = c->bytes - WALK_SECTOR;	/* over the end */
		r->len = 2 * WALK_SECTOR;
		break;
	case 1:
		r->off = c->bytes;
		break;
	case 2:
		r->off = tail + WALK_SECTOR;
		r->len = 2 * WALK_SECTOR;
		break;
	case 3:
		r->off = tail;				/* both slots */
		r->len = REPLICA_HEADERS_BYTES;
		break;
	case 4:
		r->off = tail - WALK_SECTOR;
		r->len = 2 * WALK_SECTOR;
		break;
	case 5:
		r->off = replica_export_bytes(c->bytes) - WALK_SECTOR;
		r->len = WALK_SECTOR;
	}
}

static void choose_data(struct dice *d, const struct conn_model *c,
			struct request *r)
{
	r->type = roll(d, 4) ? REQUEST_WRITE : REQUEST_ZERO;
	choose_place(d, c, r);
	if (!roll(d, 25))
		spoil_place(d, c, r);
	r->seed = 1 + roll(d, 1U << 30);
	make_digest(r);
}

/* --- headers -------------------------------------------------------------- */

/* Of the generation with this number, which follows all before it. */
static void set_generation(struct replica_header *h, unsigned int nr)
{
	h->generation = GENERATION + nr;
	h->nr_ancestors = nr < 8 ? nr : 8;
	for (unsigned int i = 0; i < h->nr_ancestors; i++)
		h->ancestors[i] = (struct replica_ancestor) {
			GENERATION + nr - 1 - i, nr
		};
}

static uint64_t max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* What is right in any header of a connection. */
static void begin_header(struct dice *d, const struct client_model *m,
			 const struct conn_model *c, struct replica_header *h)
{
	const struct member_model *v = &m->members[c->member];

	*h = v->writer;
	memset(h->pair_id, 1, sizeof(h->pair_id));
	memset(h->volume_id, 2 + c->member, sizeof(h->volume_id));
	if (!h->generation)
		set_generation(h, 0);
	h->incarnation = 7;
	h->session = c->session;
	h->role = REPLICA_ROLE_PRIMARY;
	h->state = REPLICA_STATE_APPLYING;
	h->chunk_bytes = WALK_CHUNK;
	h->members = m->nr_members;
	h->membership = 1;
	h->volume_bytes = max(c->bytes, v->bytes);
	h->last_clean = m->clean;
	h->last_partial = m->partial;
	h->highest_seen = m->seen;
	h->epoch = 0;
	h->records = v->records;
	h->digest = v->digest;
	h->hints = 0;
	h->cut_time = 1 + roll(d, 1000000);
	h->seq = v->seq + 1 + roll(d, 3);
}

static void set_epoch(struct replica_header *h, uint64_t epoch)
{
	h->epoch = epoch;
	h->highest_seen = max(h->highest_seen, epoch);
	switch (h->kind) {
	case REPLICA_KIND_OPEN:
		if (h->last_clean >= epoch)
			h->last_clean = 0;
		if (h->last_partial >= epoch)
			h->last_partial = 0;
		break;
	case REPLICA_KIND_PARTIAL:
		h->last_partial = epoch;
		break;
	case REPLICA_KIND_CLEAN:
	case REPLICA_KIND_HANDOVER:
		h->last_clean = epoch;
		h->state = REPLICA_STATE_OK;
	}
}

static uint64_t wrong_epoch(struct dice *d, const struct client_model *m)
{
	switch (roll(d, 6)) {
	case 0: return m->clean;
	case 1: return m->seen;
	case 2: return m->seen + (1ULL << 32);
	case 3: return UINT64_MAX;
	case 4: return 1 + m->seen / 2;
	default: return m->seen + 1 + roll(d, 3);
	}
}

/* Of the connections of its member, the newest session. */
static void choose_session(struct dice *d, const struct member_model *v,
			   struct replica_session *s)
{
	const struct replica_session newest = v->seq ? v->session :
		(struct replica_session) { WALK_LOADS, 0, 0 };

	switch (roll(d, 8)) {
	case 0:						/* a newer one */
		*s = newest;
		s->attaches++;
		s->random = roll(d, 1 << 30);
		break;
	case 1:						/* after a boot */
		*s = (struct replica_session) { newest.loads + 1, 1,
						roll(d, 1 << 30) };
		break;
	case 2:						/* a twin */
		*s = newest;
		s->random++;
		break;
	case 3:						/* an older one */
		*s = newest;
		s->attaches -= !!s->attaches;
		s->loads -= roll(d, 2);
		break;
	default:
		*s = newest;
	}
}

/* One thing that makes it another's. */
static void spoil_hello(struct dice *d, struct replica_header *h)
{
	switch (roll(d, 7)) {
	case 0:
		h->pair_id[15] ^= 1;
		break;
	case 1:
		h->volume_id[0] ^= 4;
		break;
	case 2:
		h->generation = 0x66;
		h->nr_ancestors = 0;
		break;
	case 3:
		h->volume_bytes -= WALK_CHUNK;
		break;
	case 4:
		h->volume_bytes = WALK_BYTES_MAX + WALK_CHUNK;
		break;
	case 5:
		h->chunk_bytes *= 2;
		break;
	case 6:
		h->members++;
	}
}

static void choose_hello(struct dice *d, const struct client_model *m,
			 const struct conn_model *c, struct replica_header *h)
{
	const struct member_model *v = &m->members[c->member];
	unsigned int generation = h->generation - GENERATION;

	h->kind = REPLICA_KIND_HELLO;
	choose_session(d, v, &h->session);
	if (!roll(d, 6))
		set_generation(h, generation + 1);
	else if (generation && !roll(d, 8))
		set_generation(h, generation - 1);
	if (!roll(d, 6) && h->volume_bytes < WALK_BYTES_MAX)
		h->volume_bytes += WALK_CHUNK;
	if (v->seq && !roll(d, 6))	/* the first one may be anybody's */
		spoil_hello(d, h);
}

/* Partial or clean: as the others of the group, where they have said it. */
static uint32_t choose_kind(struct dice *d, const struct client_model *m)
{
	if (m->nr_prepared && roll(d, 12))
		return m->kind;
	return roll(d, 4) ? REPLICA_KIND_CLEAN : REPLICA_KIND_PARTIAL;
}

static void choose_open(struct dice *d, const struct client_model *m,
			const struct member_model *v, struct replica_header *h)
{
	h->kind = REPLICA_KIND_OPEN;
	h->hints = roll(d, 2) * REPLICA_HINT_WINDOW;
	if (!roll(d, 8))
		set_epoch(h, max(1, wrong_epoch(d, m)));
	else
		set_epoch(h, m->open && !v->is_open ? m->open :
			     m->seen + 1 + roll(d, 2));
}

static void choose_commit(struct dice *d, const struct client_model *m,
			  struct replica_header *h)
{
	h->kind = choose_kind(d, m);
	if (!roll(d, 12))
		set_epoch(h, max(1, wrong_epoch(d, m)));
	else
		set_epoch(h, m->open ? m->open : m->seen + 1);
	if (!roll(d, 12))
		h->records += roll(d, 2) ? 1 : -!!h->records;
	if (!roll(d, 16))
		h->digest ^= 1ULL << roll(d, 64);
}

static bool is_wanted(const struct client_model *m,
		      const struct member_model *v, uint32_t kind)
{
	switch (kind) {
	case REPLICA_KIND_OPEN:
		return !m->open || !v->is_open;
	case REPLICA_KIND_CLEAN:
		return m->open && !v->is_prepared;
	case REPLICA_KIND_HANDOVER:
		return !m->open && m->clean;
	}
	return true;
}

/* Often what is next, now and then what is not. */
static uint32_t choose_step(struct dice *d, const struct client_model *m,
			    const struct member_model *v)
{
	static const uint32_t kinds[] = {
		REPLICA_KIND_OPEN, REPLICA_KIND_CLEAN, REPLICA_KIND_OPEN,
		REPLICA_KIND_CLEAN, REPLICA_KIND_HANDOVER,
		REPLICA_KIND_HEARTBEAT,
	};
	uint32_t kind = kinds[roll(d, 6)];

	for (int i = 0; i < 3 && !is_wanted(m, v, kind) && roll(d, 5); i++)
		kind = kinds[roll(d, 6)];
	return kind;
}

/* As if it were the header of another session, order or volume. */
static void spoil_header(struct dice *d, struct request *r)
{
	struct replica_header *h = &r->h;

	switch (roll(d, 8)) {
	case 0:
		h->session.random ^= 1;
		break;
	case 1:
		h->pair_id[0] ^= 1;
		break;
	case 2:
		h->volume_id[15] ^= 1;
		break;
	case 3:
		h->generation ^= 0x800000;
		break;
	case 4:
		r->is_torn = true;
		break;
	case 5:
		r->off += REPLICA_SLOT_BYTES;
		break;
	default:
		h->seq -= h->seq > 4 ? 4 : 0;
		r->off = 0;
	}
}

static void choose_header(struct dice *d, const struct client_model *m,
			  const struct conn_model *c, struct request *r)
{
	const struct member_model *v = &m->members[c->member];
	struct replica_header *h = &r->h;

	r->type = REQUEST_HEADER;
	begin_header(d, m, c, h);
	if (!c->token || c->token != v->token ? roll(d, 8) : !roll(d, 16)) {
		choose_hello(d, m, c, h);
	} else {
		if (!roll(d, 4))	/* it goes on from what was served */
			set_generation(h, v->generation - GENERATION);
		h->kind = choose_step(d, m, v);
		if (h->kind == REPLICA_KIND_OPEN)
			choose_open(d, m, v, h);
		else if (h->kind == REPLICA_KIND_CLEAN)
			choose_commit(d, m, h);
		else
			set_epoch(h, max(h->kind == REPLICA_KIND_HANDOVER,
					 roll(d, 8) ? m->clean :
						      wrong_epoch(d, m)));
	}
	r->off = 1;
	if (!roll(d, 12))
		spoil_header(d, r);
	r->off = r->off == 1 || !r->off ?
		 replica_slot_offset(c->bytes, h->seq) :
		 replica_slot_offset(c->bytes, h->seq + 1);
}

/* --- all ------------------------------------------------------------------ */

void next_request(struct dice *d, const struct client_model *m,
		  struct request *r)
{
	const struct conn_model *c;

	memset(r, 0, sizeof(*r));
	r->conn = roll(d, WALK_CONNS);
	c = &m->conns[r->conn];
	if (!c->is_there) {
		r->type = REQUEST_CONNECT;
		r->member = roll(d, m->nr_members);
		return;
	}
	if (!roll(d, 60))
		r->type = REQUEST_CLOSE;
	else if (m->open ? roll(d, 2) : !roll(d, 10))
		choose_data(d, c, r);
	else
		choose_header(d, m, c, r);
}

static bool is_data(const struct request *r)
{
	return r->type == REQUEST_WRITE || r->type == REQUEST_ZERO;
}

bool is_race(const struct client_model *m, const struct request *a,
	     const struct request *b)
{
	return is_data(a) && is_data(b) &&
	       m->conns[a->conn].member == m->conns[b->conn].member &&
	       a->off < b->off + b->len && b->off < a->off + a->len;
}

void encode_request(const struct request *r, char *slot)
{
	struct replica_why why;

	if (replica_header_encode(&r->h, slot, &why)) {
		fprintf(stderr, "# %s\n", why.text);
		abort();
	}
	slot[100] ^= r->is_torn;
}

void describe_request(const struct request *r, char *text, size_t len)
{
	static const char *const names[] = {
		"connect", "close", "write", "zero", "header",
	};
	const struct replica_header *h = &r->h;

	if (r->type != REQUEST_HEADER)
		snprintf(text, len, "%u: %s %llu at %llu (member %u)", r->conn,
			 names[r->type], (unsigned long long)r->len,
			 (unsigned long long)r->off, r->member);
	else
		snprintf(text, len, "%u: %s %llu, session %llu.%llu.%llu, "
			 "header %llu, %llu records%s", r->conn,
			 replica_kind_name(h->kind),
			 (unsigned long long)h->epoch,
			 (unsigned long long)h->session.loads,
			 (unsigned long long)h->session.attaches,
			 (unsigned long long)h->session.random,
			 (unsigned long long)h->seq,
			 (unsigned long long)h->records,
			 r->is_torn ? ", torn" : "");
}

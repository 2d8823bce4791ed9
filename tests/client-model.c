// SPDX-License-Identifier: GPL-2.0-or-later
#include "client-model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JUMP	(1ULL << 32)	/* C5 */

unsigned int refusal_of(int err)
{
	switch (err) {
	case 0: return 0;
	case -EINVAL: return REFUSED_INVAL;
	case -EPERM: return REFUSED_PERM;
	case -ESHUTDOWN: return REFUSED_SHUTDOWN;
	case -ENOSPC: return REFUSED_NOSPC;
	}
	return ~0U;
}

void model_begin(struct client_model *m, unsigned int nr_members)
{
	memset(m, 0, sizeof(*m));
	m->nr_members = nr_members;
	for (unsigned int i = 0; i < nr_members; i++)
		m->members[i].bytes = WALK_BYTES;
}

/* --- epochs --------------------------------------------------------------- */

static struct past *made;

void model_free_all(void)
{
	struct past *p;

	while ((p = made)) {
		made = p->made_before;
		free(p);
	}
}

const struct past *model_newest(const struct client_model *m)
{
	const struct past *p = m->past;

	while (p && !p->is_clean)
		p = p->before;
	return p;
}

void model_drop_open(struct client_model *m)
{
	for (unsigned int i = 0; i < m->nr_members; i++) {
		struct member_model *v = &m->members[i];

		v->is_open = v->is_prepared = false;
		v->records = v->digest = 0;
		memcpy(v->next, v->now, sizeof(v->next));
	}
	m->open = m->nr_prepared = 0;
}

static bool is_new_number(const struct client_model *m, uint64_t epoch)
{
	return epoch > m->seen && epoch - m->seen < JUMP;
}

static void begin_epoch(struct client_model *m, uint64_t epoch)
{
	model_drop_open(m);
	m->open = m->seen = epoch;
}

/* M2 */
static void commit_all(struct client_model *m)
{
	struct past *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->made_before = made;
	made = p;
	p->before = m->past;
	p->epoch = m->open;
	p->is_clean = m->kind == REPLICA_KIND_CLEAN;
	for (unsigned int i = 0; i < m->nr_members; i++) {
		struct member_model *v = &m->members[i];

		memcpy(v->now, v->next, sizeof(v->now));
		memcpy(p->image[i], v->now, sizeof(v->now));
		if (v->promised_seq > v->seq)
			v->seq = v->promised_seq;
		v->logged_seq = v->promised_seq;
		if (p->is_clean) {
			v->generation = v->writer.generation;
			v->cut_time = v->promised_cut_time;
		}
	}
	m->past = p;
	m->logged_seen = m->seen;
	if (p->is_clean)
		m->clean = m->open;
	else
		m->partial = m->open;
	model_drop_open(m);
}

/* --- hello ---------------------------------------------------------------- */

static bool is_ancestor(const struct replica_header *h, uint64_t generation)
{
	for (uint32_t i = 0; i < h->nr_ancestors; i++)
		if (h->ancestors[i].generation == generation)
			return true;
	return false;
}

/* A hello speaks for its generation, and for all before it. */
static bool is_of_generation(const struct replica_header *h,
			     uint64_t generation)
{
	return h->generation == generation || is_ancestor(h, generation);
}

/* All that is wrong with a hello, whoever says it. */
static unsigned int hello_refusals(const struct client_model *m,
				   const struct member_model *v,
				   const struct replica_header *h)
{
	unsigned int no = 0;

	if (v->seq && (memcmp(h->pair_id, v->writer.pair_id, 16) ||
		       memcmp(h->volume_id, v->writer.volume_id, 16)))
		no |= REFUSED_PERM;
	if (h->volume_bytes < v->bytes || h->volume_bytes > WALK_BYTES_MAX ||
	    h->chunk_bytes != WALK_CHUNK || h->members != m->nr_members)
		no |= REFUSED_INVAL;
	if (v->seq && !is_of_generation(h, v->generation))
		no |= REFUSED_PERM;
	return no;
}

/* As it says of itself: a twin is no newer, and is not the same. */
static int compare_sessions(const struct replica_session *a,
			    const struct replica_session *b)
{
	if (a->loads != b->loads)
		return a->loads > b->loads ? 1 : -1;
	if (a->attaches != b->attaches)
		return a->attaches > b->attaches ? 1 : -1;
	return a->random == b->random ? 0 : -1;
}

static void join(struct client_model *m, struct conn_model *c,
		 struct member_model *v, const struct replica_header *h)
{
	if (!v->token) {
		v->token = ++m->tokens;
		v->writer = *h;
	}
	c->token = v->token;
	if (h->seq > v->seq && !m->open)
		v->seq = h->seq;
}

/* W1 */
static void take_over(struct client_model *m, struct conn_model *c,
		      struct member_model *v, const struct replica_header *h)
{
	model_drop_open(m);
	v->token = c->token = ++m->tokens;
	v->bytes = h->volume_bytes;
	v->writer = *h;
	v->session = h->session;
	if (!v->seq)
		v->generation = h->generation;
	v->seq = v->logged_seq = h->seq;
	m->logged_seen = m->seen;
}

static unsigned int hello(struct client_model *m, struct conn_model *c,
			  const struct replica_header *h)
{
	struct member_model *v = &m->members[c->member];
	unsigned int no = hello_refusals(m, v, h);
	int newer = v->seq ? compare_sessions(&h->session, &v->session) : 1;

	if (newer < 0)
		no |= REFUSED_SHUTDOWN;
	if (!newer && v->token && !is_of_generation(&v->writer, h->generation))
		no |= REFUSED_PERM;
	if ((!newer && h->volume_bytes > v->bytes) ||
	    (newer > 0 && v->seq && h->seq <= v->seq))
		no |= REFUSED_INVAL;
	if (no)
		return no;
	c->session = h->session;
	if (newer)
		take_over(m, c, v, h);
	else
		join(m, c, v, h);
	return 0;
}

/* --- the other headers ---------------------------------------------------- */

static unsigned int open_epoch(struct client_model *m, struct member_model *v,
			       const struct replica_header *h)
{
	bool is_joined = m->open && m->open == h->epoch && !v->is_open;

	if (!is_joined && !is_new_number(m, h->epoch))
		return REFUSED_INVAL;
	if (!is_joined)
		begin_epoch(m, h->epoch);
	v->is_open = true;
	v->seq = h->seq;
	return 0;
}

static unsigned int commit(struct client_model *m, struct member_model *v,
			   const struct replica_header *h)
{
	if (!m->open && !h->records && is_new_number(m, h->epoch))
		begin_epoch(m, h->epoch);
	if (!m->open || m->open != h->epoch)
		return REFUSED_INVAL;
	if (v->is_prepared || (m->nr_prepared && m->kind != h->kind) ||
	    h->records != v->records || h->digest != v->digest) {
		model_drop_open(m);					/* M1 */
		return REFUSED_INVAL;
	}
	v->is_prepared = true;
	v->promised_seq = h->seq;
	v->promised_cut_time = h->cut_time;
	m->kind = h->kind;
	if (++m->nr_prepared == m->nr_members)
		commit_all(m);
	return 0;
}

static unsigned int hand_over(struct client_model *m, struct member_model *v,
			      const struct replica_header *h)
{
	if (m->open || h->epoch != m->clean || m->partial > m->clean)
		return REFUSED_INVAL;
	v->seq = v->logged_seq = h->seq;
	m->logged_seen = m->seen;
	return 0;
}

static unsigned int beat(struct client_model *m, struct member_model *v,
			 const struct replica_header *h)
{
	if (h->epoch > m->seen)
		return 0;
	v->seq = h->seq;
	v->cut_time = h->cut_time;
	return 0;
}

/* All that is wrong with a header of any other kind, by its writer. */
static unsigned int writer_refusals(const struct conn_model *c,
				    const struct member_model *v)
{
	if (!c->token)
		return REFUSED_INVAL;
	return c->token == v->token ? 0 : REFUSED_SHUTDOWN;
}

/* What a session says of itself, it says in each header. */
static unsigned int header_refusals(const struct member_model *v,
				    const struct replica_header *h)
{
	unsigned int no = 0;

	if (compare_sessions(&h->session, &v->writer.session) ||
	    memcmp(h->pair_id, v->writer.pair_id, 16) ||
	    memcmp(h->volume_id, v->writer.volume_id, 16) ||
	    !is_of_generation(&v->writer, h->generation))
		no |= REFUSED_PERM;
	if (h->seq <= v->seq)
		no |= REFUSED_INVAL;
	return no;
}

static unsigned int header(struct client_model *m, struct conn_model *c,
			   const struct request *r)
{
	struct member_model *v = &m->members[c->member];
	const struct replica_header *h = &r->h;
	unsigned int no;

	if (r->is_torn || r->off != replica_slot_offset(c->bytes, h->seq))
		return REFUSED_INVAL;
	if (h->kind == REPLICA_KIND_HELLO)
		return hello(m, c, h);
	no = writer_refusals(c, v);
	if (!no)
		no = header_refusals(v, h);
	if (no)
		return no;
	switch (h->kind) {
	case REPLICA_KIND_OPEN:
		return open_epoch(m, v, h);
	case REPLICA_KIND_PARTIAL:
	case REPLICA_KIND_CLEAN:
		return commit(m, v, h);
	case REPLICA_KIND_HANDOVER:
		return hand_over(m, v, h);
	}
	return beat(m, v, h);
}

/* --- data ----------------------------------------------------------------- */

static unsigned int data(struct client_model *m, struct conn_model *c,
			 const struct request *r)
{
	struct member_model *v = &m->members[c->member];
	unsigned int no = writer_refusals(c, v);

	if (!r->len || r->off % WALK_SECTOR || r->len % WALK_SECTOR ||
	    r->off >= c->bytes || r->len > c->bytes - r->off)
		no |= REFUSED_INVAL;
	else if (!no && (!m->open || !v->is_open || v->is_prepared))
		no |= REFUSED_INVAL;
	if (no)
		return no;
	v->records++;
	v->digest += r->digest;
	for (uint64_t i = 0; i < r->len / WALK_SECTOR; i++)
		v->next[r->off / WALK_SECTOR + i] =
			r->type == REQUEST_ZERO ? 0 : r->seed + i;
	return 0;
}

/* --- all ------------------------------------------------------------------ */

unsigned int model_step(struct client_model *m, const struct request *r)
{
	struct conn_model *c = &m->conns[r->conn];

	switch (r->type) {
	case REQUEST_CONNECT:
		*c = (struct conn_model) {
			.is_there = true,
			.member = r->member,
			.bytes = m->members[r->member].bytes,
		};
		return 0;
	case REQUEST_CLOSE:
		c->is_there = false;
		return 0;
	case REQUEST_HEADER:
		return header(m, c, r);
	case REQUEST_WRITE:
	case REQUEST_ZERO:
		break;
	}
	return data(m, c, r);
}

void model_full(struct client_model *m, const struct request *r)
{
	bool is_begun = r->type == REQUEST_HEADER && !m->open &&
			(r->h.kind == REPLICA_KIND_OPEN ||
			 (r->h.kind == REPLICA_KIND_CLEAN && !r->h.records) ||
			 (r->h.kind == REPLICA_KIND_PARTIAL && !r->h.records));

	model_drop_open(m);
	if (is_begun && is_new_number(m, r->h.epoch))
		m->seen = r->h.epoch;
}

/* As durable as before: the next one may be without it again. */
static bool adopt(struct client_model *m, struct member_model *v,
		  const struct replica_header *h)
{
	if (h->seq < v->logged_seq || h->seq > v->seq ||
	    (h->seq && h->highest_seen < m->logged_seen) ||
	    h->highest_seen > m->seen)
		return false;
	v->cut_time = h->cut_time;
	v->seq = h->seq;
	v->token = 0;
	return true;
}

bool model_reopen(struct client_model *m, const struct replica_header *h)
{
	uint64_t seen = 0;
	bool is_good = true;

	model_drop_open(m);
	memset(m->conns, 0, sizeof(m->conns));
	for (unsigned int i = 0; i < m->nr_members; i++) {
		is_good &= adopt(m, &m->members[i], h + i);
		if (h[i].highest_seen > seen)
			seen = h[i].highest_seen;
	}
	m->seen = seen;
	return is_good;
}

bool model_serves(const struct client_model *m, unsigned int member,
		  const struct replica_header *h, char *why)
{
	const struct member_model *v = &m->members[member];
	const struct {
		const char *what;
		uint64_t is, should;
	} t[] = {
		{ "seq", h->seq, v->seq },
		{ "last clean", h->last_clean, m->clean },
		{ "last partial", h->last_partial, m->partial },
		{ "highest seen", h->highest_seen, m->seen },
		{ "generation", h->generation, v->generation },
		{ "cut time", h->cut_time, v->cut_time },
		{ "size", h->volume_bytes, v->bytes },
		{ "session", compare_sessions(&h->session, &v->session), 0 },
		{ "state", h->state, m->clean ? REPLICA_STATE_OK :
						REPLICA_STATE_APPLYING },
	};

	for (unsigned int i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		if (t[i].is == t[i].should)
			continue;
		snprintf(why, MODEL_WHY, "%s: %llu, not %llu", t[i].what,
			 (unsigned long long)t[i].is,
			 (unsigned long long)t[i].should);
		return false;
	}
	return true;
}

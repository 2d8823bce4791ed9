// SPDX-License-Identifier: GPL-2.0-or-later
#include "stage-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

int rig_add_volume(struct stage *s, const char *name, const char *group,
		   uint64_t bytes, struct error *err)
{
	char base[64];
	struct stage_volume_config c = {
		.name = name,
		.group = group,
		.base = base,
		.bytes = bytes,
		.chunk_bytes = RIG_CHUNK,
	};

	snprintf(base, sizeof(base), "/base/%s", name);
	return stage_create_volume(s, &c, NULL, err);
}

struct stage *rig_open(struct disk *d, const struct stage_options *opts,
		       struct error *err)
{
	struct stage_options o = opts ? *opts : (struct stage_options) { 0 };
	struct stage *s;

	if (!o.log_bytes)
		o.log_bytes = 1 << 20;
	if (!o.segment_bytes)
		o.segment_bytes = 64 << 10;
	o.io = disk_io(d);
	return stage_open(&s, RIG_DIR, &o, err) ? NULL : s;
}

void rig_make_device(struct disk *d, const char *path, uint64_t bytes)
{
	const struct stage_io *io = disk_io(d);
	int fd = io->open(io->arg, path, O_RDWR | O_CREAT);

	io->truncate(io->arg, fd, bytes);
	io->sync(io->arg, fd);
	io->close(io->arg, fd);
	io->sync_dir(io->arg, "/dev");
}

struct stage *rig_create(struct disk *d, const struct stage_options *opts,
			 unsigned int nr)
{
	struct error err = { 0 };
	struct stage *s;

	if (opts && opts->log_device[0])
		rig_make_device(d, opts->log_device, RIG_DEVICE_BYTES);
	s = rig_open(d, opts, &err);
	for (unsigned int i = 0; s && i < nr; i++) {
		char name[2] = { 'a' + i };

		if (rig_add_volume(s, name, nr > 1 ? "group" : NULL, RIG_BYTES,
				   &err)) {
			printf("# %s\n", err.text);
			abort();
		}
	}
	return s;
}

/* --- a client ------------------------------------------------------------- */

int client_connect(struct client *c, struct stage *s, const char *volume)
{
	char slots[REPLICA_HEADERS_BYTES];
	int ret;

	memset(c, 0, sizeof(*c));
	c->v = stage_find(s, volume);
	ret = stage_conn_create(&c->conn, c->v, &c->err);
	if (ret)
		return ret;
	ret = stage_conn_read(c->conn, slots, sizeof(slots),
			      replica_tail_offset(RIG_BYTES), &c->err);
	if (!ret && replica_header_pick(&c->h, slots, sizeof(slots), NULL))
		memset(&c->h, 0, sizeof(c->h));
	return ret;
}

void client_close(struct client *c)
{
	stage_conn_destroy(c->conn);
	c->conn = NULL;
}

static int send_header(struct client *c, const struct replica_header *h)
{
	char slot[REPLICA_SLOT_BYTES];
	struct replica_why why;
	int ret = replica_header_encode(h, slot, &why);

	error_clear(&c->err);
	if (ret)
		return error_set(&c->err, ret, "%s", why.text);
	ret = stage_conn_write(c->conn, slot, sizeof(slot),
			       replica_slot_offset(RIG_BYTES, h->seq),
			       &c->err);
	if (!ret)
		c->h = *h;
	return ret;
}

int client_hello(struct client *c, uint64_t loads, uint64_t attaches)
{
	struct replica_header h = c->h;

	h.kind = REPLICA_KIND_HELLO;
	h.members = c->v->g->nr_members;
	h.membership = 1;
	h.generation = h.generation ? h.generation : 0x1111;
	h.incarnation = 0x2222;
	h.session = (struct replica_session) { loads, attaches,
					       loads * 1000 + attaches };
	h.role = REPLICA_ROLE_PRIMARY;
	h.state = h.state ? h.state : REPLICA_STATE_APPLYING;
	h.chunk_bytes = RIG_CHUNK;
	h.volume_bytes = RIG_BYTES;
	h.seq += 3;
	memset(h.pair_id, 1, 16);
	memset(h.volume_id, 2, 16);
	c->records = c->digest = 0;
	return send_header(c, &h);
}

int client_header(struct client *c, uint32_t kind, uint64_t epoch)
{
	struct replica_header h = c->h;

	h.kind = kind;
	h.epoch = epoch;
	if (epoch > h.highest_seen)
		h.highest_seen = epoch;
	h.records = c->records;
	h.digest = c->digest;
	h.state = REPLICA_STATE_APPLYING;
	if (kind == REPLICA_KIND_PARTIAL)
		h.last_partial = epoch;
	if (kind == REPLICA_KIND_CLEAN || kind == REPLICA_KIND_HANDOVER) {
		h.last_clean = epoch;
		h.cut_time = epoch * 1000;
		h.state = REPLICA_STATE_OK;
	}
	h.seq++;
	return send_header(c, &h);
}

int client_open(struct client *c, uint64_t epoch)
{
	int ret = client_header(c, REPLICA_KIND_OPEN, epoch);

	if (!ret)
		c->records = c->digest = 0;
	return ret;
}

int client_open_window(struct client *c, uint64_t epoch)
{
	int ret;

	c->h.hints = REPLICA_HINT_WINDOW;
	ret = client_open(c, epoch);
	c->h.hints = 0;
	return ret;
}

void fill(char *buf, size_t len, uint64_t off, uint32_t seed)
{
	uint64_t x = (off + 1) * 0x9e3779b97f4a7c15ULL ^ seed;

	for (size_t i = 0; i + 8 <= len; i += 8) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		memcpy(buf + i, &x, 8);
	}
}

int client_write(struct client *c, struct model *m, uint64_t chunk,
		 uint64_t nr, uint32_t seed)
{
	uint64_t off = chunk * RIG_CHUNK, len = nr * RIG_CHUNK;
	char *buf = malloc(len);
	int ret;

	fill(buf, len, off, seed);
	error_clear(&c->err);
	ret = stage_conn_write(c->conn, buf, len, off, &c->err);
	if (!ret) {
		c->records++;
		c->digest += replica_digest(off, buf, len);
	}
	if (!ret && m)
		memcpy(m->next + off, buf, len);
	free(buf);
	return ret;
}

int client_zero(struct client *c, struct model *m, uint64_t chunk,
		uint64_t nr)
{
	uint64_t off = chunk * RIG_CHUNK, len = nr * RIG_CHUNK;
	int ret;

	error_clear(&c->err);
	ret = stage_conn_zero(c->conn, len, off, &c->err);
	if (ret)
		return ret;
	c->records++;
	c->digest += replica_digest(off, NULL, len);
	if (m)
		memset(m->next + off, 0, len);
	return 0;
}

void model_drop(struct model *m)
{
	memcpy(m->next, m->now, sizeof(m->next));
}

int client_commit(struct client *c, struct model *m, uint64_t epoch,
		  bool is_clean)
{
	int ret = client_header(c, is_clean ? REPLICA_KIND_CLEAN :
				REPLICA_KIND_PARTIAL, epoch);

	if (ret || !m)
		return ret;
	memcpy(m->now, m->next, sizeof(m->now));
	if (is_clean) {
		memcpy(m->image[epoch], m->now, sizeof(m->now));
		m->is_there[epoch] = true;
		m->clean = epoch;
	} else {
		m->partial = epoch;
	}
	return 0;
}

int client_epoch(struct client *c, struct model *m, uint64_t epoch,
		 uint32_t seed, bool is_clean)
{
	uint32_t chunks = RIG_BYTES / RIG_CHUNK;
	int ret = client_open(c, epoch);

	for (uint32_t i = 0; !ret && i < 3; i++) {
		uint32_t at = (seed * 7 + i * 5) % (chunks - 3);

		if ((seed + i) % 4 == 3)
			ret = client_zero(c, m, at, 1 + (seed + i) % 3);
		else
			ret = client_write(c, m, at, 1 + (seed + i) % 3,
					   seed * 100 + i);
	}
	return ret ? ret : client_commit(c, m, epoch, is_clean);
}

/* --- looking -------------------------------------------------------------- */

bool shows(struct client *c, const char *image)
{
	char buf[RIG_BYTES];
	struct error err = { 0 };

	if (stage_conn_read(c->conn, buf, sizeof(buf), 0, &err)) {
		printf("# %s\n", err.text);
		return false;
	}
	return !memcmp(buf, image, sizeof(buf));
}

static int is_that(void *arg, const struct stage_epoch *e)
{
	return e->epoch == *(uint64_t *)arg;
}

static bool is_listed(struct stage_volume *v, uint64_t epoch)
{
	return stage_history(v, is_that, &epoch);
}

bool shows_epoch(struct stage_volume *v, uint64_t epoch, const char *image)
{
	char buf[RIG_BYTES];
	struct error err = { 0 };
	struct stage_image *i;
	bool is_same;

	if (stage_image_open(&i, v, epoch, &err)) {
		if (is_listed(v, epoch))
			printf("# %s\n", err.text);
		return !is_listed(v, epoch);	/* it has left the history */
	}
	is_same = stage_image_epoch(i) == epoch &&
		  !stage_image_read(i, buf, sizeof(buf), 0, &err) &&
		  !memcmp(buf, image, sizeof(buf));
	if (!is_same)
		printf("# epoch %llu: %llu, %s\n", (unsigned long long)epoch,
		       (unsigned long long)stage_image_epoch(i),
		       err.code ? err.text : "other data");
	stage_image_close(i);
	return is_same;
}

struct listing {
	uint64_t epochs[RIG_EPOCHS];
	unsigned int nr;
};

static int note_epoch(void *arg, const struct stage_epoch *e)
{
	struct listing *l = arg;

	if (e->is_clean)
		l->epochs[l->nr++] = e->epoch;
	return 0;
}

bool shows_all(struct stage_volume *v, const struct model *m)
{
	struct listing l = { .nr = 0 };
	struct stage_info info;

	stage_get_info(v, &info);
	stage_history(v, note_epoch, &l);
	if (info.header.last_clean &&
	    (!l.nr || l.epochs[l.nr - 1] != info.header.last_clean)) {
		printf("# epoch %llu is not listed\n",
		       (unsigned long long)info.header.last_clean);
		return false;
	}
	for (unsigned int i = 0; i < l.nr; i++)
		if (l.epochs[i] >= RIG_EPOCHS || !m->is_there[l.epochs[i]] ||
		    !shows_epoch(v, l.epochs[i], m->image[l.epochs[i]]))
			return false;
	return true;
}

bool sums_are(struct stage_volume *v, const char *image)
{
	uint32_t nr = RIG_BYTES / RIG_CHUNK;
	struct stage_sum sums[RIG_BYTES / RIG_CHUNK];
	struct error err = { 0 };
	XXH128_canonical_t canonical;

	if (stage_get_sums(v, 0, nr, sums, &err))
		return false;
	for (uint32_t i = 0; i < nr; i++) {
		XXH128_hash_t h = XXH3_128bits_withSeed(image + i * RIG_CHUNK,
				RIG_CHUNK, v->writer.session.random);

		XXH128_canonicalFromHash(&canonical, h);
		if (memcmp(&canonical, &sums[i], sizeof(canonical)))
			return false;
	}
	return true;
}

/* --- what was sent and answered ------------------------------------------- */

void marks_add(struct marks *marks, const struct disk *d, uint64_t clean,
	       uint64_t partial)
{
	marks->list[marks->nr++] = (struct mark) { disk_moment(d), clean,
						   partial };
}

const struct mark *marks_find(const struct marks *marks, uint64_t moment)
{
	const struct mark *found = &marks->list[0];

	for (unsigned int i = 0; i < marks->nr; i++)
		if (marks->list[i].moment <= moment)
			found = &marks->list[i];
	return found;
}

bool marks_allow(const struct mark *acked, const struct mark *sent,
		 uint64_t clean, uint64_t partial)
{
	if ((clean == acked->clean || clean == sent->clean) &&
	    (partial == acked->partial || partial == sent->partial))
		return true;
	printf("# clean %llu, partial %llu; acked %llu, %llu\n",
	       (unsigned long long)clean, (unsigned long long)partial,
	       (unsigned long long)acked->clean,
	       (unsigned long long)acked->partial);
	return false;
}

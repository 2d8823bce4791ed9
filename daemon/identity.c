// SPDX-License-Identifier: GPL-2.0-or-later
#include "identity.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/random.h>
#include <xxhash.h>

#include "state-file.h"

void identity_random(void *buf, unsigned int len)
{
	char *p = buf;

	while (len) {
		ssize_t n = getrandom(p, len, 0);

		if (n < 0)
			continue; /* only EINTR can be: the flags are fine */
		p += n;
		len -= n;
	}
}

void identity_print(char text[33], const uint8_t id[16])
{
	for (int i = 0; i < 16; i++)
		sprintf(text + 2 * i, "%02x", id[i]);
}

static void hash_seeded(uint8_t hash[16], const char *text, uint64_t seed)
{
	XXH128_canonical_t canonical;

	XXH128_canonicalFromHash(&canonical, XXH3_128bits_withSeed(
						text, strlen(text), seed));
	memcpy(hash, canonical.digest, 16);
}

void identity_hash(uint8_t id[16], const char *text)
{
	hash_seeded(id, text, 0);
}

void identity_hash_target(uint8_t hash[16], const struct identity *id,
			  const char *target)
{
	uint64_t seed;

	memcpy(&seed, id->pair_id, sizeof(seed));
	hash_seeded(hash, target, le64toh(seed));
}

static int scan_id(uint8_t id[16], const char *text)
{
	if (!text || strlen(text) != 32)
		return -EBADMSG;
	for (int i = 0; i < 16; i++)
		if (sscanf(text + 2 * i, "%2hhx", &id[i]) != 1)
			return -EBADMSG;
	return 0;
}

static int scan_u64(uint64_t *value, const char *text)
{
	return text && sscanf(text, "%" SCNx64, value) == 1 ? 0 : -EBADMSG;
}

static const char *const given_up_words[] = {
	[GIVEN_UP_NO] = "no",
	[GIVEN_UP_BEGUN] = "begun",
	[GIVEN_UP_DONE] = "done",
};

static const char *const taken_over_words[] = {
	[TAKEN_OVER_NO] = "no",
	[TAKEN_OVER_SUPERSEDED] = "superseded",
	[TAKEN_OVER_SPLIT_BRAIN] = "split-brain",
};

/* Which of @nr @words it is, or -EBADMSG. */
static int scan_word(const char *const *words, int nr, const char *word)
{
	for (int i = 0; i < nr; i++)
		if (!strcmp(word, words[i]))
			return i;
	return -EBADMSG;
}

static int scan_words(struct identity *id, const char *given_up,
		      const char *taken_over)
{
	int g = scan_word(given_up_words, GIVEN_UP_DONE + 1, given_up);
	int t = scan_word(taken_over_words, TAKEN_OVER_SPLIT_BRAIN + 1,
			  taken_over);

	if (g < 0 || t < 0)
		return -EBADMSG;
	id->given_up = g;
	id->taken_over = t;
	return 0;
}

static int decode(struct identity *id, const json_t *root)
{
	json_int_t loads, attaches, target_bytes = 0;
	const char *pair, *volume, *generation, *incarnation, *kernel = NULL;
	const char *given_up = given_up_words[GIVEN_UP_NO];
	const char *taken_over = taken_over_words[TAKEN_OVER_NO], *by = NULL;
	int is_closed = 0, is_paused = 0, is_suspect = 0, is_fenced = 0;

	if (json_unpack((json_t *)root,
			"{ss ss ss ss sI sI s?b s?b s?b s?s s?s s?b s?I s?s s?s}",
			"pair_id", &pair, "volume_id", &volume,
			"generation", &generation,
			"incarnation", &incarnation, "loads", &loads,
			"attaches", &attaches, "closed", &is_closed,
			"paused", &is_paused, "suspect", &is_suspect,
			"kernel_volume", &kernel, "given_up", &given_up,
			"fenced", &is_fenced, "target_bytes", &target_bytes,
			"taken_over", &taken_over, "taken_over_by", &by) ||
	    target_bytes < 0)
		return -EBADMSG;
	id->target_bytes = target_bytes;
	id->is_closed = is_closed;
	id->is_paused = is_paused;
	id->is_suspect = is_suspect;
	id->is_fenced = is_fenced;
	id->session.loads = loads;
	id->session.attaches = attaches;
	return scan_id(id->pair_id, pair) || scan_id(id->volume_id, volume) ||
	       scan_u64(&id->generation, generation) ||
	       scan_u64(&id->incarnation, incarnation) ||
	       scan_words(id, given_up, taken_over) ||
	       (by && scan_id(id->taken_over_by, by)) ||
	       (kernel && scan_id(id->kernel_volume, kernel)) ? -EBADMSG : 0;
}

static void make_new(struct identity *id)
{
	memset(id, 0, sizeof(*id));
	identity_random(id->pair_id, sizeof(id->pair_id));
	identity_random(id->volume_id, sizeof(id->volume_id));
	identity_random(&id->generation, sizeof(id->generation));
}

static int path_of(char path[PATH_MAX], const char *state_dir,
		   const char *name)
{
	return snprintf(path, PATH_MAX, "%s/%s.id", state_dir, name) >=
	       PATH_MAX ? -ENAMETOOLONG : 0;
}

int identity_load(struct identity *id, const char *state_dir,
		  const char *name)
{
	char path[PATH_MAX];
	json_t *root = NULL;
	int err = path_of(path, state_dir, name);

	if (!err)
		err = state_json_read(path, &root);
	if (err == -ENOENT) {
		make_new(id);
		err = 0;
	} else if (!err) {
		memset(id, 0, sizeof(*id));
		err = decode(id, root);
		json_decref(root);
	}
	identity_random(&id->session.random, sizeof(id->session.random));
	return err;
}

static const char *json_bool(bool value)
{
	return value ? "true" : "false";
}

static int save(const struct identity *id, const char *path)
{
	char pair[33], volume[33], kernel[33], by[33], text[720];
	int len;

	identity_print(pair, id->pair_id);
	identity_print(volume, id->volume_id);
	identity_print(kernel, id->kernel_volume);
	identity_print(by, id->taken_over_by);
	len = snprintf(text, sizeof(text),
		       "{\"schema_version\": 1,\n \"pair_id\": \"%s\",\n"
		       " \"volume_id\": \"%s\",\n"
		       " \"generation\": \"%016" PRIx64 "\",\n"
		       " \"incarnation\": \"%016" PRIx64 "\",\n"
		       " \"loads\": %" PRIu64 ", \"attaches\": %" PRIu64 ",\n"
		       " \"closed\": %s, \"paused\": %s, \"suspect\": %s,\n"
		       " \"given_up\": \"%s\", \"fenced\": %s,\n"
		       " \"taken_over\": \"%s\", \"taken_over_by\": \"%s\",\n"
		       " \"target_bytes\": %" PRIu64 ",\n"
		       " \"kernel_volume\": \"%s\"}\n",
		       pair, volume, id->generation, id->incarnation,
		       id->session.loads, id->session.attaches,
		       json_bool(id->is_closed), json_bool(id->is_paused),
		       json_bool(id->is_suspect), given_up_words[id->given_up],
		       json_bool(id->is_fenced),
		       taken_over_words[id->taken_over], by, id->target_bytes,
		       kernel);
	return state_file_write(path, text, len);
}

/* Replaces *@id by @next once that is on disk. */
static int change(struct identity *id, const struct identity *next,
		  const char *state_dir, const char *name)
{
	char path[PATH_MAX];
	int err = path_of(path, state_dir, name);

	if (!err)
		err = save(next, path);
	if (!err)
		*id = *next;
	return err;
}

int identity_note_closed(struct identity *id, const char *state_dir,
			 const char *name)
{
	struct identity next = *id;

	next.is_closed = true;
	return change(id, &next, state_dir, name);
}

int identity_note_paused(struct identity *id, const char *state_dir,
			 const char *name, bool is_paused)
{
	struct identity next = *id;

	next.is_paused = is_paused;
	return change(id, &next, state_dir, name);
}

int identity_note_suspect(struct identity *id, const char *state_dir,
			  const char *name, bool is_suspect)
{
	struct identity next = *id;

	next.is_suspect = is_suspect;
	return change(id, &next, state_dir, name);
}

int identity_note_given_up(struct identity *id, const char *state_dir,
			   const char *name, enum given_up given_up)
{
	struct identity next = *id;

	next.given_up = given_up;
	return change(id, &next, state_dir, name);
}

int identity_note_taken_over(struct identity *id, const char *state_dir,
			     const char *name, enum taken_over taken_over,
			     const char *target)
{
	struct identity next = *id;
	int err;

	next.taken_over = taken_over;
	memset(next.taken_over_by, 0, sizeof(next.taken_over_by));
	if (taken_over)
		identity_hash_target(next.taken_over_by, id, target);
	err = change(id, &next, state_dir, name);
	if (err && taken_over)
		*id = next;
	return err;
}

int identity_note_target_bytes(struct identity *id, const char *state_dir,
			       const char *name, uint64_t bytes)
{
	struct identity next = *id;

	next.target_bytes = bytes;
	return change(id, &next, state_dir, name);
}

int identity_note_metadata(struct identity *id, const char *state_dir,
			   const char *name, const uint8_t kernel_volume[16])
{
	struct identity next = *id;

	memcpy(next.kernel_volume, kernel_volume, 16);
	return change(id, &next, state_dir, name);
}

int identity_adopt(const char *state_dir, const char *name,
		   const struct replica_header *h)
{
	struct identity id = { .generation = h->generation,
			       .incarnation = h->incarnation };
	char path[PATH_MAX];
	int err = path_of(path, state_dir, name);

	memcpy(id.pair_id, h->pair_id, sizeof(id.pair_id));
	memcpy(id.volume_id, h->volume_id, sizeof(id.volume_id));
	memcpy(id.kernel_volume, h->volume_id, sizeof(id.kernel_volume));
	id.session.loads = h->session.loads;
	id.session.attaches = h->session.attaches;
	return err ? err : save(&id, path);
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

int identity_begin_session(struct identity *id, const char *state_dir,
			   const char *name, uint64_t incarnation,
			   uint64_t loads, uint64_t attaches)
{
	struct identity next = *id;

	next.is_closed = false;
	if (id->incarnation != incarnation) {
		next.incarnation = incarnation;
		next.session.loads = max_u64(id->session.loads + 1, loads);
		next.session.attaches = max_u64(1, attaches);
	} else {
		next.session.loads = max_u64(id->session.loads, loads);
		next.session.attaches = max_u64(id->session.attaches + 1,
						attaches);
	}
	return change(id, &next, state_dir, name);
}

bool identity_is_kept(const char *state_dir, const char *name)
{
	char path[PATH_MAX];

	return !path_of(path, state_dir, name) &&
	       (!access(path, F_OK) || errno != ENOENT);
}

int identity_forget(const char *state_dir, const char *name)
{
	char path[PATH_MAX];
	int err = path_of(path, state_dir, name);

	return err ? err : state_file_remove(path);
}

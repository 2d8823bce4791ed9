// SPDX-License-Identifier: GPL-2.0-or-later
#include "dmr.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static struct genl_request req;		/* too large for a stack */

#define NR(array)	(sizeof(array) / sizeof((array)[0]))

int dmr_dev_of_path(const char *path, uint64_t *dev)
{
	struct stat st;

	if (stat(path, &st))
		return -errno;
	if (!S_ISBLK(st.st_mode))
		return -ENOTBLK;
	*dev = (uint64_t)major(st.st_rdev) << 32 | minor(st.st_rdev);
	return 0;
}

static void copy_text(char *to, size_t room, const struct nlattr *attr)
{
	size_t len = genl_len(attr);

	if (len >= room)
		len = room - 1;
	memcpy(to, genl_data(attr), len);
	to[len] = '\0';
}

static void take_get(const struct nlattr *first, int len, void *arg)
{
	struct dmr_get *get = arg;
	int type;

	for (type = 1; type <= DMR_A_MAX; type++) {
		const struct nlattr *attr = genl_find(first, len, type);

		if (!attr)
			continue;
		get->has[type] = true;
		if (type == DMR_A_NAME)
			copy_text(get->name, sizeof(get->name), attr);
		else if (type == DMR_A_UUID)
			copy_text(get->uuid, sizeof(get->uuid), attr);
		else if (type == DMR_A_VOLUME_ID && genl_len(attr) == 16)
			memcpy(get->volume_id, genl_data(attr), 16);
		else
			get->number[type] = genl_number(first, len, type);
	}
}

static void begin(struct genl *genl, int cmd, uint64_t dev)
{
	genl_begin(genl, &req, cmd, 0);
	genl_put_u64(&req, DMR_A_DEV, dev);
}

static int get_by(struct genl *genl, int cmd, uint64_t dev,
		  struct dmr_get *get)
{
	memset(get, 0, sizeof(*get));
	begin(genl, cmd, dev);
	return genl_talk(genl, &req, take_get, get);
}

int dmr_get(struct genl *genl, uint64_t dev, struct dmr_get *get)
{
	return get_by(genl, DMR_CMD_GET, dev, get);
}

struct highest {
	uint64_t group, epoch;
};

static void take_highest(const struct nlattr *first, int len, void *arg)
{
	uint64_t epoch = genl_number(first, len, DMR_A_HIGHEST_SEEN);
	struct highest *highest = arg;

	if (genl_number(first, len, DMR_A_GROUP) == highest->group &&
	    epoch > highest->epoch)
		highest->epoch = epoch;
}

int dmr_highest(struct genl *genl, uint64_t dev, uint64_t *epoch)
{
	struct dmr_get get;
	struct highest highest = { 0 };
	int err = dmr_get(genl, dev, &get);

	if (err)
		return err;
	/* Alone it has no number, and others have none either. */
	highest.epoch = get.number[DMR_A_HIGHEST_SEEN];
	highest.group = get.number[DMR_A_GROUP];
	genl_begin(genl, &req, DMR_CMD_GET, NLM_F_DUMP);
	err = highest.group ?
		genl_talk(genl, &req, take_highest, &highest) : 0;
	*epoch = highest.epoch;
	return err;
}

int dmr_attach(struct genl *genl, uint64_t dev, struct dmr_get *get)
{
	return get_by(genl, DMR_CMD_ATTACH, dev, get);
}

int dmr_join(struct genl *genl, uint64_t dev, uint64_t group)
{
	begin(genl, DMR_CMD_JOIN, dev);
	genl_put_u64(&req, DMR_A_GROUP, group);
	return genl_talk(genl, &req, NULL, NULL);
}

int dmr_cut(struct genl *genl, uint64_t dev, uint64_t epoch, bool fuzzy)
{
	begin(genl, DMR_CMD_CUT, dev);
	genl_put_u64(&req, DMR_A_EPOCH, epoch);
	if (fuzzy)
		genl_put_u32(&req, DMR_A_EPOCH_FLAGS, DMR_EPOCH_F_FUZZY);
	return genl_talk(genl, &req, NULL, NULL);
}

static void take_held(const struct nlattr *first, int len, void *arg)
{
	struct dmr_held *held = arg;

	held->nr_held = genl_number(first, len, DMR_A_NR_HELD);
	held->fuzzy = genl_number(first, len, DMR_A_EPOCH_FLAGS) &
		      DMR_EPOCH_F_FUZZY;
}

int dmr_release(struct genl *genl, uint64_t dev, uint64_t epoch,
		const struct dmr_extent *extent, size_t nr,
		struct dmr_held *held)
{
	begin(genl, DMR_CMD_RELEASE, dev);
	genl_put_u64(&req, DMR_A_EPOCH, epoch);
	genl_put(&req, DMR_A_EXTENTS, extent, nr * sizeof(*extent));
	return genl_talk(genl, &req, take_held, held);
}

int dmr_end(struct genl *genl, uint64_t dev, uint64_t epoch, enum dmr_end how)
{
	begin(genl, DMR_CMD_END, dev);
	genl_put_u64(&req, DMR_A_EPOCH, epoch);
	genl_put_u32(&req, DMR_A_END, how);
	return genl_talk(genl, &req, NULL, NULL);
}

int dmr_mark(struct genl *genl, uint64_t dev, const struct dmr_extent *extent,
	     size_t nr)
{
	begin(genl, DMR_CMD_MARK, dev);
	if (nr)
		genl_put(&req, DMR_A_EXTENTS, extent, nr * sizeof(*extent));
	return genl_talk(genl, &req, NULL, NULL);
}

int dmr_set_generation(struct genl *genl, uint64_t dev, uint64_t generation)
{
	begin(genl, DMR_CMD_SET, dev);
	genl_put_u64(&req, DMR_A_GENERATION, generation);
	return genl_talk(genl, &req, NULL, NULL);
}

int dmr_detach(struct genl *genl, uint64_t dev)
{
	begin(genl, DMR_CMD_DETACH, dev);
	return genl_talk(genl, &req, NULL, NULL);
}

int dmr_hold(struct genl *genl, uint64_t dev, uint32_t timeout_ms)
{
	begin(genl, DMR_CMD_HOLD, dev);
	genl_put_u32(&req, DMR_A_TIMEOUT_MS, timeout_ms);
	return genl_talk(genl, &req, NULL, NULL);
}

/* --- extents -------------------------------------------------------------- */

static void take_extents(const struct nlattr *first, int len, void *arg)
{
	struct dmr_extents *extents = arg;
	const struct nlattr *attr = genl_find(first, len, DMR_A_EXTENTS);
	uint64_t epoch = genl_number(first, len, DMR_A_EPOCH);
	size_t nr = attr ? genl_len(attr) / sizeof(struct dmr_extent) : 0;

	if (extents->nr && extents->epoch != epoch)
		extents->mixed = true;
	extents->epoch = epoch;
	if (extents->nr + nr > extents->room) {
		extents->room = (extents->nr + nr) * 2;
		extents->extent = realloc(extents->extent, extents->room *
					  sizeof(struct dmr_extent));
		if (!extents->extent)
			abort();
	}
	if (nr)
		memcpy(extents->extent + extents->nr, genl_data(attr),
		       nr * sizeof(struct dmr_extent));
	extents->nr += nr;
}

int dmr_extents(struct genl *genl, int cmd, uint64_t dev, uint64_t epoch,
		struct dmr_extents *extents)
{
	memset(extents, 0, sizeof(*extents));
	genl_begin(genl, &req, cmd, NLM_F_DUMP);
	genl_put_u64(&req, DMR_A_DEV, dev);
	if (cmd == DMR_CMD_GET_FROZEN)
		genl_put_u64(&req, DMR_A_EPOCH, epoch);
	return genl_talk(genl, &req, take_extents, extents);
}

void dmr_extents_free(struct dmr_extents *extents)
{
	free(extents->extent);
	memset(extents, 0, sizeof(*extents));
}

uint64_t dmr_extents_chunks(const struct dmr_extents *extents)
{
	uint64_t chunks = 0;
	size_t i;

	for (i = 0; i < extents->nr; i++)
		chunks += extents->extent[i].count;
	return chunks;
}

/* --- events --------------------------------------------------------------- */

static void take_note(const struct nlattr *first, int len, void *arg)
{
	struct dmr_note *note = arg;
	const struct nlattr *attr;

	memset(note, 0, sizeof(*note));
	note->event = genl_number(first, len, DMR_A_EVENT);
	note->dev = genl_number(first, len, DMR_A_DEV);
	note->epoch = genl_number(first, len, DMR_A_EPOCH);
	note->epoch_flags = genl_number(first, len, DMR_A_EPOCH_FLAGS);
	note->nr_frozen = genl_number(first, len, DMR_A_NR_FROZEN);
	attr = genl_find(first, len, DMR_A_REQUEST);
	if (attr)
		copy_text(note->request, sizeof(note->request), attr);
}

int dmr_next_note(struct genl *genl, int timeout_ms, struct dmr_note *note)
{
	return genl_next_event(genl, timeout_ms, take_note, note);
}

/* --- words ---------------------------------------------------------------- */

static const char *const end_words[] = {
	[DMR_END_COMMIT] = "commit",
	[DMR_END_ABORT] = "abort",
	[DMR_END_KEEP] = "keep",
};

static const char *const event_words[] = {
	[DMR_EVENT_ADDED] = "added",
	[DMR_EVENT_REMOVED] = "removed",
	[DMR_EVENT_DIRTY] = "dirty",
	[DMR_EVENT_FROZEN] = "frozen",
	[DMR_EVENT_DEGRADED] = "degraded",
	[DMR_EVENT_DETACHED] = "detached",
	[DMR_EVENT_META_FAILED] = "meta_failed",
	[DMR_EVENT_REQUEST] = "request",
};

static const char *const state_words[] = {
	[DMR_STATE_IDLE] = "idle",
	[DMR_STATE_DRAINING] = "draining",
	[DMR_STATE_FROZEN] = "frozen",
	[DMR_STATE_ABORTED] = "aborted",
};

static const char *const field_words[] = {
	[DMR_A_DEV] = "dev",
	[DMR_A_ORIGIN] = "origin",
	[DMR_A_SECTORS] = "sectors",
	[DMR_A_CHUNK_SECTORS] = "chunk_sectors",
	[DMR_A_REGION_SECTORS] = "region_sectors",
	[DMR_A_ROLE] = "role",
	[DMR_A_STATE] = "state",
	[DMR_A_DEV_FLAGS] = "dev_flags",
	[DMR_A_GENERATION] = "generation",
	[DMR_A_INCARNATION] = "incarnation",
	[DMR_A_LOADS] = "loads",
	[DMR_A_ATTACHES] = "attaches",
	[DMR_A_OWNER] = "owner",
	[DMR_A_GROUP] = "group",
	[DMR_A_MEMBERS] = "members",
	[DMR_A_EPOCH] = "epoch",
	[DMR_A_EPOCH_FLAGS] = "epoch_flags",
	[DMR_A_LAST_COMMITTED] = "last_committed",
	[DMR_A_HIGHEST_SEEN] = "highest_seen",
	[DMR_A_CUT_TIME] = "cut_time",
	[DMR_A_NR_DIRTY] = "nr_dirty",
	[DMR_A_NR_FROZEN] = "nr_frozen",
	[DMR_A_NR_HELD] = "nr_held",
	[DMR_A_NR_PRESERVED] = "nr_preserved",
	[DMR_A_NR_HOT] = "nr_hot",
	[DMR_A_NR_REGIONS] = "nr_regions",
	[DMR_A_NR_CUTS] = "nr_cuts",
	[DMR_A_NR_COMMITS] = "nr_commits",
	[DMR_A_NR_ABORTS] = "nr_aborts",
	[DMR_A_NR_KEEPS] = "nr_keeps",
	[DMR_A_NR_DEGRADED] = "nr_degraded",
	[DMR_A_NR_COPIES] = "nr_copies",
	[DMR_A_GATE_LAST_NS] = "gate_last_ns",
	[DMR_A_GATE_MAX_NS] = "gate_max_ns",
	[DMR_A_GATE_SUM_NS] = "gate_sum_ns",
	[DMR_A_WRITTEN_SECTORS] = "written_sectors",
	[DMR_A_META_DEV] = "meta_dev",
	[DMR_A_HOT_LIMIT] = "hot_limit",
	[DMR_A_LAST_WRITE] = "last_write",
	[DMR_A_LAST_CONTACT] = "last_contact",
};

static int find_word(const char *const *words, size_t nr, const char *word)
{
	size_t i;

	for (i = 0; i < nr; i++)
		if (words[i] && !strcmp(words[i], word))
			return i;
	return -1;
}

static const char *word_of(const char *const *words, size_t nr, uint64_t i)
{
	return i < nr && words[i] ? words[i] : "unknown";
}

int dmr_end_of_word(const char *word)
{
	return find_word(end_words, NR(end_words), word);
}

int dmr_event_of_word(const char *word)
{
	return find_word(event_words, NR(event_words), word);
}

const char *dmr_event_word(uint32_t event)
{
	return word_of(event_words, NR(event_words), event);
}

const char *dmr_state_word(uint64_t state)
{
	return word_of(state_words, NR(state_words), state);
}

int dmr_field_of_word(const char *word)
{
	return find_word(field_words, NR(field_words), word);
}

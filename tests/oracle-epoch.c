// SPDX-License-Identifier: GPL-2.0-or-later
#include "oracle-epoch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS	60000		/* for a drain */
#define SOME_MAX	16		/* pieces released by one command */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

static unsigned int below(struct shipper *s, unsigned int limit)
{
	return limit ? rand_r(&s->dice) % limit : 0;
}

static int complain(struct shipper *s, const struct member *member,
		    const char *what, int err)
{
	printf("# ship: %s epoch %" PRIu64 ": %s: %s%s%s\n",
	       member ? member->device : "", s->epoch, what, strerror(-err),
	       s->genl.extack[0] ? ": " : "", s->genl.extack);
	return err;
}

int member_open(struct shipper *s, struct member *member)
{
	struct dmr_get get;
	int err = dmr_dev_of_path(member->device, &member->dev);

	if (!err)
		err = dmr_attach(&s->genl, member->dev, &get);
	if (err)
		return complain(s, member, "attach", err);
	member->view_fd = open(member->view, O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (member->view_fd < 0)
		return complain(s, member, member->view, -errno);
	member->sectors = get.number[DMR_A_SECTORS];
	member->chunk_sectors = get.number[DMR_A_CHUNK_SECTORS];
	if (!member->chunk_sectors ||
	    member->chunk_sectors > BATCH_MAX_SECTORS)
		return complain(s, member, "chunk size", -EINVAL);
	if (get.number[DMR_A_HIGHEST_SEEN] > s->epoch)
		s->epoch = get.number[DMR_A_HIGHEST_SEEN];
	member->copy = calloc(member->sectors, 512);
	return member->copy ? 0 : complain(s, member, "copy", -ENOMEM);
}

/* --- cut ------------------------------------------------------------------ */

/* Busy (the drain of an aborted epoch) is an answer: again, later. */
static int cut(struct shipper *s, bool fuzzy, struct oracle_bounds *bounds)
{
	int64_t end = now_ms() + PATIENCE_MS;
	int err;

	s->epoch += 1 + below(s, 3);
	for (;;) {
		oracle_state_completed(s->state, bounds);
		err = dmr_cut(&s->genl, s->member[0].dev, s->epoch, fuzzy);
		oracle_state_issued(s->state, bounds);
		if (err != -EBUSY || now_ms() > end)
			break;
		s->busy++;
		usleep(500);
	}
	return err ? complain(s, &s->member[0], "cut", err) : 0;
}

static int is_frozen(struct shipper *s, const struct member *member)
{
	struct dmr_get get;
	int err = dmr_get(&s->genl, member->dev, &get);

	if (err)
		return complain(s, member, "get", err);
	if (get.number[DMR_A_EPOCH] != s->epoch)
		return complain(s, member, "another epoch is open", -ESTALE);
	return get.number[DMR_A_STATE] == DMR_STATE_FROZEN;
}

/* Events are hints: they end the nap, GET tells. */
static int wait_frozen(struct shipper *s)
{
	int64_t end = now_ms() + PATIENCE_MS;
	struct dmr_note note;
	uint32_t m = 0;
	int err;

	while (m < s->nr_members) {
		err = is_frozen(s, &s->member[m]);
		if (err < 0)
			return err;
		if (err) {
			m++;
			continue;
		}
		if (now_ms() > end)
			return complain(s, &s->member[m], "never frozen",
					-ETIMEDOUT);
		dmr_next_note(&s->genl, 5, &note);
	}
	while (!dmr_next_note(&s->genl, 0, &note))
		;
	return 0;
}

/* --- read and release ----------------------------------------------------- */

/* A piece's sectors: the volume's last chunk may be short. */
static uint64_t piece_sectors(const struct member *member,
			      const struct dmr_extent *piece)
{
	uint64_t first = piece->start * member->chunk_sectors;
	uint64_t sectors = piece->count * member->chunk_sectors;

	return sectors < member->sectors - first ? sectors :
	       member->sectors - first;
}

static ssize_t read_view(struct shipper *s, const struct member *member,
			 const struct dmr_extent *piece)
{
	ssize_t len = pread(member->view_fd, s->buffer,
			    piece_sectors(member, piece) * 512,
			    piece->start * member->chunk_sectors * 512);

	return len < 0 ? -errno : len;
}

static int fetch(struct shipper *s, struct member *member,
		 const struct dmr_extent *piece)
{
	uint64_t at = piece->start * member->chunk_sectors;
	uint64_t sectors = piece_sectors(member, piece);
	ssize_t len = read_view(s, member, piece);

	if (len != (ssize_t)sectors * 512) {
		printf("# ship: chunks %" PRIu64 "+%" PRIu64 "\n",
		       (uint64_t)piece->start, (uint64_t)piece->count);
		return complain(s, member, "view", len < 0 ? len : -EIO);
	}
	memcpy(member->copy + at * 512, s->buffer, sectors * 512);
	oracle_image_put(s->image, member - s->member, at, s->buffer, sectors);
	s->chunks += piece->count;
	return 0;
}

static int release(struct shipper *s, struct member *member,
		   const struct dmr_extent *piece, size_t nr)
{
	struct dmr_held held = { 0 };
	int err = dmr_release(&s->genl, member->dev, s->epoch, piece, nr,
			      &held);

	if (err)
		return complain(s, member, "release", err);
	member->fuzzy = held.fuzzy;
	member->nr_held = held.nr_held;
	return 0;
}

/* K4, and RELEASE said twice. */
static int probe(struct shipper *s, struct member *member,
		 const struct dmr_extent *piece)
{
	uint64_t held = member->nr_held;
	struct dmr_get get;
	int err = release(s, member, piece, 1);

	if (err)
		return err;
	if (member->nr_held != held)
		return complain(s, member, "released twice, counted twice",
				-EBADE);
	s->probes++;
	if (read_view(s, member, piece) == -EIO)
		return 0;
	err = dmr_get(&s->genl, member->dev, &get);
	if (!err && !(get.number[DMR_A_EPOCH_FLAGS] & DMR_EPOCH_F_FUZZY))
		err = complain(s, member, "a released chunk was read", -EBADE);
	return err;
}

/* Reads some pieces, then releases them together. */
static int ship_some(struct shipper *s, struct member *member,
		     const struct dmr_extent *piece, size_t nr)
{
	size_t i;
	int err = 0;

	for (i = 0; !err && i < nr; i++) {
		err = fetch(s, member, &piece[i]);
		if (!err && s->pause_us)
			usleep(s->pause_us);
	}
	if (!err)
		err = release(s, member, piece, nr);
	if (!err && below(s, 20) == 0)
		err = probe(s, member, piece);
	return err;
}

/* Cuts the extents into pieces of random size. */
static struct dmr_extent *cut_up(struct shipper *s, const struct member *member,
				 const struct dmr_extents *extents, size_t *nr)
{
	uint64_t chunks = dmr_extents_chunks(extents), start, left;
	struct dmr_extent *piece = malloc((chunks + 1) * sizeof(*piece));
	unsigned int most = BATCH_MAX_SECTORS / member->chunk_sectors;
	size_t i;

	most = s->batch < most ? s->batch : most;
	for (i = 0, *nr = 0; piece && i < extents->nr; i++) {
		start = extents->extent[i].start;
		for (left = extents->extent[i].count; left;) {
			uint64_t count = 1 + below(s, most);

			count = count < left ? count : left;
			piece[(*nr)++] = (struct dmr_extent){ start, count };
			start += count;
			left -= count;
		}
	}
	return piece;
}

static void shuffle(struct shipper *s, struct dmr_extent *piece, size_t nr)
{
	size_t i, j;

	for (i = nr; i > 1; i--) {
		struct dmr_extent swap = piece[i - 1];

		j = below(s, i);
		piece[i - 1] = piece[j];
		piece[j] = swap;
	}
}

static int ship_pieces(struct shipper *s, struct member *member,
		       const struct dmr_extents *extents, unsigned int percent)
{
	size_t nr, i, end, some;
	struct dmr_extent *piece = cut_up(s, member, extents, &nr);
	int err = piece ? 0 : -ENOMEM;

	if (!err && below(s, 2))
		shuffle(s, piece, nr);
	end = percent < 100 ? nr * percent / 100 : nr;
	for (i = 0; !err && i < end; i += some) {
		some = 1 + below(s, SOME_MAX);
		some = some < end - i ? some : end - i;
		err = ship_some(s, member, &piece[i], some);
	}
	free(piece);
	return err;
}

static int ship_member(struct shipper *s, struct member *member,
		       const struct fate *fate)
{
	struct dmr_extents extents;
	int err = dmr_extents(&s->genl, DMR_CMD_GET_FROZEN, member->dev,
			      s->epoch, &extents);

	member->fuzzy = fate->fuzzy;
	member->nr_held = dmr_extents_chunks(&extents);
	if (err)
		complain(s, member, "frozen", err);
	else if (extents.mixed || (extents.nr && extents.epoch != s->epoch))
		err = complain(s, member, "extents of another epoch", -ESTALE);
	else
		err = ship_pieces(s, member, &extents, fate->percent);
	dmr_extents_free(&extents);
	if (!err && fate->percent >= 100 && member->nr_held)
		err = complain(s, member, "released all that was frozen, yet some is held", -EBADE);
	return err;
}

/* --- the whole ------------------------------------------------------------ */

static int end(struct shipper *s, enum dmr_end how)
{
	int err = dmr_end(&s->genl, s->member[below(s, s->nr_members)].dev,
			  s->epoch, how);

	if (!err && below(s, 10) == 0)	/* its answer was lost */
		err = dmr_end(&s->genl, s->member[0].dev, s->epoch, how);
	return err ? complain(s, &s->member[0], "end", err) : 0;
}

int epoch_ship(struct shipper *s, const struct fate *fate,
	       struct oracle_bounds *bounds, bool *clean)
{
	uint32_t first = below(s, s->nr_members), m;
	int err;

	*clean = false;
	err = cut(s, fate->fuzzy, bounds);
	if (!err && fate->early)
		return end(s, DMR_END_ABORT);
	if (!err)
		err = wait_frozen(s);
	if (!err && s->delay_us)
		usleep(s->delay_us);
	for (m = 0; !err && m < s->nr_members; m++)
		err = ship_member(s, &s->member[(first + m) % s->nr_members],
				  fate);
	if (!err)
		err = end(s, fate->end);
	if (err)
		return err;
	*clean = fate->end == DMR_END_COMMIT;
	for (m = 0; m < s->nr_members; m++)
		*clean = *clean && !s->member[m].fuzzy;
	return 0;
}

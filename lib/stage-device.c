// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The device of a stage's logs: finding it, formatting it, growing.
 *
 *	no note  -[note]->  note  -[superblock: no slots]->  ours
 *	ours  -[new slots' blocks, then the superblock that counts them]->  ours
 *
 * B1 a device is written only if it is blank or has the id that the note in the
 *    directory names: blank is, where signatures of anything are, zeros.
 * B2 the note is durable before the superblock, so that no device is ours that
 *    no directory leads to; and it changes only after the device that it is to
 *    name was found to be ours. A blank one is formatted only while the stage
 *    has no volume: later it is never the one that has the logs.
 * B3 each slot that the superblock counts has a good block: slots are written,
 *    synced, and then counted. So one without is damaged, and never new.
 * B4 formatting is growing from no slots. If growing fails nothing is lost:
 *    what the superblock has counted before is used, who opens the stage is
 *    told, and the rest is tried again the next time.
 * B5 a device that is smaller than it was is refused: epochs would be missing.
 * B6 no two devices have one id: each that is formatted gets a new one. What is
 *    opened by its path once more is looked at again [stage_device_is].
 * B7 a slot of which nobody can say whose it is, since its block and its
 *    segment's are damaged, or those of another device, may have the newest
 *    epochs of any log. It is left as it is and is not used, each log ends
 *    where it would without it, and who opens the stage is told, each time: an
 *    image that is older than what was acknowledged is never shown in silence.
 * B8 one that cannot be read may be good the next time: until then the device
 *    is not used at all.
 */
#include "stage-device.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "stage-parts.h"
#include "util/zero.h"

#define NOTE		"log"
#define NOTE_SUFFIX	".device"
#define MIB		(1ULL << 20)
#define NR_COPIES	2
#define SLOTS_MIN	8
#define SLOTS_MAX	(1U << 20)
#define BLANK_BYTES	MIB

/* --- blocks --------------------------------------------------------------- */

static int write_sector(const struct stage_device *d, const void *sector,
			uint64_t pos)
{
	struct iovec iov = { (void *)sector, STAGE_SECTOR };

	return d->io->pwritev(d->io->arg, d->fd, &iov, 1, pos);
}

static int read_all(const struct stage_device *d, void *buf, size_t len,
		    uint64_t pos)
{
	ssize_t n = stage_pread(d->io, d->fd, buf, len, pos);

	return n < 0 ? n : (size_t)n < len ? -EIO : 0;
}

int stage_slot_write(const struct stage_device *d, unsigned int slot,
		     const struct stage_slot_block *b)
{
	char sector[STAGE_SECTOR];

	stage_slot_encode(b, sector);
	return write_sector(d, sector, stage_slot_pos(d, slot));
}

/* One after the other: one is whole at any moment. */
static int write_super(const struct stage_device *d,
		       const struct stage_device_block *b)
{
	char sector[STAGE_SECTOR];
	int ret = 0;

	stage_device_encode(b, sector);
	for (int i = 0; !ret && i < NR_COPIES; i++) {
		ret = write_sector(d, sector,
				   i * (STAGE_DEVICE_HEAD / NR_COPIES));
		if (!ret)
			ret = d->io->sync(d->io->arg, d->fd);
	}
	return ret;
}

/* The one that counts more; *nr: how many say the same. */
static int read_super(const struct stage_device *d,
		      struct stage_device_block *b, unsigned int *nr)
{
	struct stage_device_block copy;
	char sector[STAGE_SECTOR];
	int ret = -ENODATA;

	*nr = 0;
	for (int i = 0; i < NR_COPIES; i++) {
		int one = read_all(d, sector, sizeof(sector),
				   i * (STAGE_DEVICE_HEAD / NR_COPIES));

		if (!one)
			one = stage_device_decode(&copy, sector);
		if (one && ret == -ENODATA)
			ret = one;
		if (one)
			continue;
		if (*nr && copy.nr_slots < b->nr_slots)
			continue;
		*nr = *nr && copy.nr_slots == b->nr_slots ? *nr + 1 : 1;
		*b = copy;
	}
	return *nr ? 0 : ret;
}

bool stage_device_is(const struct stage_device *d, int fd)
{
	struct stage_device other = { .io = d->io, .fd = fd };
	unsigned int nr;

	return !read_super(&other, &other.block, &nr) &&
	       !memcmp(other.block.device_id, d->block.device_id, 16);
}

/* --- the note ------------------------------------------------------------- */

static int read_note(const struct stage *s, struct stage_note_block *n)
{
	char block[STAGE_BLOCK_BYTES];
	int ret = stage_block_read(s, NOTE, NOTE_SUFFIX, block);

	return ret ? ret : stage_note_decode(n, block);
}

static int write_note(const struct stage *s, const uint8_t *id,
		      struct error *err)
{
	struct stage_note_block n = { 0 };
	char block[STAGE_BLOCK_BYTES];

	memcpy(n.device_id, id, sizeof(n.device_id));
	snprintf(n.path, sizeof(n.path), "%s", s->device->path);
	stage_note_encode(&n, block);
	return stage_block_write(s, NOTE, NOTE_SUFFIX, block, err);
}

static int note_volume(void *arg, const char *name)
{
	size_t len = strlen(name);

	*(bool *)arg |= len > 7 && !strcmp(name + len - 7, ".volume");
	return 0;
}

/* --- a new one ------------------------------------------------------------ */

static int tell(const struct stage_device *d, int ret, const char *what,
		struct error *err)
{
	return error_set(err, ret, "log_device=%.200s: %s", d->path,
			 what);
}

static int tell_errno(const struct stage_device *d, int ret,
		      struct error *err)
{
	return tell(d, ret, strerror(-ret), err);
}

/* B1 */
static int check_blank(const struct stage_device *d, uint64_t size,
		       struct error *err)
{
	size_t len = size < BLANK_BYTES ? size : BLANK_BYTES;
	char *buf = malloc(len + 1);
	bool is_blank = buf;
	int ret = buf ? read_all(d, buf, len, 0) : -ENOMEM;

	is_blank = is_blank && !ret && is_zero(buf, len);
	if (!ret)
		ret = read_all(d, buf, len, size - len);
	is_blank = is_blank && !ret && is_zero(buf, len);
	free(buf);
	if (ret)
		return tell_errno(d, ret, err);
	return is_blank ? 0 : tell(d, -EEXIST, "has something on it: it is "
				   "formatted only if its first and its last "
				   "MiB are zeros", err);
}

/* What was asked for; else so that there are many, but none too small. */
static int choose_slots(const struct stage *s, uint64_t size,
			struct stage_device_block *b, struct error *err)
{
	uint64_t room = size > STAGE_DEVICE_HEAD ? size - STAGE_DEVICE_HEAD : 0;
	uint64_t bytes = s->opts.segment_bytes;

	bytes = bytes ? bytes + STAGE_BLOCK_BYTES : size / 1024;
	if (!s->opts.segment_bytes && bytes < MIB)
		bytes = MIB;
	if (!s->opts.segment_bytes && bytes > 64 * MIB)
		bytes = 64 * MIB;
	if (bytes > room / SLOTS_MIN)
		bytes = room / SLOTS_MIN;
	b->slot_bytes = bytes & ~(uint64_t)(STAGE_BLOCK_BYTES - 1);
	b->nr_slots = 0;
	if (b->slot_bytes < STAGE_SLOT_MIN || b->slot_bytes > STAGE_SLOT_MAX)
		return error_set(err, -EINVAL, "log_device=%.200s: it "
				 "has %llu bytes, and needs %llu at least",
				 s->device->path, (unsigned long long)size,
				 STAGE_DEVICE_HEAD +
				 SLOTS_MIN * STAGE_SLOT_MIN);
	return 0;
}

/* B2, B6 */
static int format(struct stage *s, uint64_t size, struct error *err)
{
	struct stage_device *d = s->device;
	struct stage_device_block b = { 0 };
	int ret = check_blank(d, size, err);

	if (!ret)
		ret = choose_slots(s, size, &b, err);
	if (ret)
		return ret;
	if (getrandom(b.device_id, 16, 0) != 16)
		return error_set(err, -EIO, "no random numbers");
	ret = write_note(s, b.device_id, err);
	if (ret)
		return ret;
	ret = write_super(d, &b);
	if (ret)
		return tell_errno(d, ret, err);
	d->block = b;
	return 0;
}

/* --- slots ---------------------------------------------------------------- */

static int read_own(struct stage_device *d, unsigned int nr,
		    struct stage_slot_block *b)
{
	char sector[STAGE_SECTOR];
	int ret = read_all(d, sector, sizeof(sector), stage_slot_pos(d, nr));

	if (!ret)
		ret = stage_slot_decode(b, sector);
	return !ret && memcmp(b->device_id, d->block.device_id, 16) ?
	       -EBADMSG : ret;
}

static bool is_damage(int ret)
{
	return ret == -EBADMSG || ret == -ENODATA;
}

/* One that is ours already may be in use: a superblock forgot it. B8 */
static int stamp_new(struct stage_device *d, unsigned int from,
		     unsigned int to)
{
	struct stage_slot_block b = { .state = STAGE_SLOT_FREE };
	int ret = 0;

	memcpy(b.device_id, d->block.device_id, sizeof(b.device_id));
	for (unsigned int i = from; !ret && i < to; i++) {
		d->slots[i] = (struct stage_slot) { .b = b };
		ret = from ? read_own(d, i, &d->slots[i].b) : -ENODATA;
		if (!is_damage(ret))
			continue;
		d->slots[i].b = b;
		ret = stage_slot_write(d, i, &b);
	}
	return ret ? ret : d->io->sync(d->io->arg, d->fd);
}

static uint64_t count_fits(const struct stage_device *d, uint64_t size)
{
	uint64_t fits = size > STAGE_DEVICE_HEAD ?
			(size - STAGE_DEVICE_HEAD) / d->block.slot_bytes : 0;

	return fits < SLOTS_MAX ? fits : SLOTS_MAX;
}

/* B3, B4 */
static int grow(struct stage_device *d, uint64_t size)
{
	struct stage_device_block b = d->block;
	int ret;

	b.nr_slots = count_fits(d, size);
	ret = stamp_new(d, d->block.nr_slots, b.nr_slots);
	if (!ret)
		ret = write_super(d, &b);
	if (!ret)
		d->block = b;
	return ret;
}

/*
 * A slot's own block is bad: its segment may say whose it is. Not one that a
 * block of another device names, too: all of the slot is that one's.
 */
static int ask_segment(struct stage_device *d, unsigned int nr,
		       struct stage_slot_block *b)
{
	struct stage_segment_block s;
	char front[STAGE_BLOCK_BYTES];
	int ret = read_all(d, front, sizeof(front),
			   stage_slot_pos(d, nr) + STAGE_BLOCK_BYTES);

	if (!ret)
		ret = stage_segment_decode(&s, front);
	if (!ret && b->state && !memcmp(b->log_id, s.log_id, sizeof(s.log_id)))
		ret = -EBADMSG;
	if (ret)
		return ret;
	memcpy(b->log_id, s.log_id, sizeof(b->log_id));
	b->number = s.number;
	b->salt = s.salt;
	b->state = STAGE_SLOT_USED;
	return 0;
}

/* B7 */
static void give_up(struct stage_device *d, unsigned int nr)
{
	d->slots[nr] = (struct stage_slot) {
		.b.state = STAGE_SLOT_FREE,
		.is_out = true,
	};
	if (!d->nr_damaged++)
		error_set(&d->notice, -EBADMSG, "log_device=%.100s: slot %u is "
			  "damaged, and nobody can say whose it was: any log "
			  "may have lost epochs, the newest too (replica-dump)",
			  d->path, nr);
}

static int read_slot(struct stage_device *d, unsigned int nr)
{
	struct stage_slot *slot = &d->slots[nr];
	int ret;

	memset(slot, 0, sizeof(*slot));
	ret = read_own(d, nr, &slot->b);
	if (is_damage(ret))
		ret = ask_segment(d, nr, &slot->b);
	if (is_damage(ret)) {
		give_up(d, nr);
		ret = 0;
	}
	memcpy(slot->b.device_id, d->block.device_id, 16);
	return ret;
}

static int load_slots(struct stage_device *d, uint64_t size, struct error *err)
{
	uint64_t fits = count_fits(d, size);

	d->slots = calloc(fits + 1, sizeof(*d->slots));
	if (!d->slots)
		return error_set(err, -ENOMEM, "no memory");
	for (unsigned int i = 0; i < d->block.nr_slots; i++) {
		int ret = read_slot(d, i);

		if (ret)				/* B8 */
			return error_set(err, -EIO, "log_device=%.200s: slot "
					 "%u, which may have the newest "
					 "epochs, cannot be read: %s", d->path,
					 i, strerror(-ret));
	}
	return 0;
}

/* --- opening -------------------------------------------------------------- */

/* O_EXCL: nobody else may have a block device (S9). */
static int open_path(struct stage_device *d, uint64_t *size, struct error *err)
{
	int ret;

	d->fd = d->io->open(d->io->arg, d->path, O_RDWR | O_EXCL);
	if (d->fd < 0)
		return tell_errno(d, d->fd, err);
	ret = d->io->lock(d->io->arg, d->fd);
	if (ret)
		return tell(d, ret, "another process has it", err);
	ret = d->io->size(d->io->arg, d->fd, size);
	return ret ? tell_errno(d, ret, err) : 0;
}

/* B4: what is used is less than there is, and that is told. */
static void tell_growth(struct stage_device *d, uint64_t fits, int ret)
{
	if (fits > d->block.nr_slots)
		error_set(&d->growth, ret, "log_device=%.100s: it has grown, "
			  "and the log has not: %s; %llu slots more are tried "
			  "when the stage is opened again", d->path,
			  strerror(-ret),
			  (unsigned long long)fits - d->block.nr_slots);
	else
		error_set(&d->growth, ret, "log_device=%.100s: one of its "
			  "superblocks is damaged, and stays so: %s", d->path,
			  strerror(-ret));
}

/* All slots that there are, and those that are new. */
static int take_slots(struct stage_device *d, uint64_t size, bool is_new,
		      bool is_torn, struct error *err)
{
	int ret;

	if (count_fits(d, size) < d->block.nr_slots)		/* B5 */
		return tell(d, -EIO, "is smaller than it was", err);
	if (!d->block.nr_slots && !is_new)
		return tell(d, -EIO, "is damaged: it has no slots", err);
	ret = load_slots(d, size, err);
	if (ret)
		return ret;
	if (is_torn || count_fits(d, size) > d->block.nr_slots)
		ret = grow(d, size);
	if (ret && d->block.nr_slots) {
		tell_growth(d, count_fits(d, size), ret);
		ret = 0;
	}
	return ret ? tell_errno(d, ret, err) : 0;
}

/* It is the one that the note names, or becomes it. */
static int use(struct stage *s, const struct stage_note_block *n, bool is_new,
	       struct error *err)
{
	struct stage_device *d = s->device;
	unsigned int nr_copies;
	uint64_t size;
	int ret = open_path(d, &size, err);

	if (ret)
		return ret;
	ret = read_super(d, &d->block, &nr_copies);
	if (ret == -EPROTONOSUPPORT)
		return tell(d, ret, "is of a newer format", err);
	if (!ret && (!n || memcmp(d->block.device_id, n->device_id, 16)))
		return tell(d, -EEXIST, "has the logs of another stage", err);
	if (ret && !is_new)
		return tell(d, -EIO, "is not the one that has the logs of this "
			    "stage, or is damaged", err);
	if (ret)
		ret = format(s, size, err);
	else if (strcmp(d->path, n->path))
		ret = write_note(s, d->block.device_id, err);	/* B2 */
	return ret ? ret : take_slots(d, size, is_new,
				      nr_copies < NR_COPIES, err);
}

static void close_fd(struct stage_device *d)
{
	if (d->fd >= 0)
		d->io->close(d->io->arg, d->fd);
	d->fd = -1;
}

static int set_limits(struct stage *s, struct error *err)
{
	struct stage_options *o = &s->opts;
	uint64_t most;

	o->segment_bytes = stage_slot_room(s->device);
	most = o->segment_bytes * s->device->block.nr_slots;
	if (!o->log_bytes || o->log_bytes > most)
		o->log_bytes = most;
	return o->log_bytes >= 4 * o->segment_bytes ? 0 :
	       error_set(err, -EINVAL, "a log of %llu bytes is too small for "
			 "the slots of %.200s, of %llu bytes each: four at "
			 "least", (unsigned long long)o->log_bytes,
			 s->device->path,
			 (unsigned long long)o->segment_bytes);
}

static int create(struct stage *s, const char *path, struct error *err)
{
	struct stage_device *d = calloc(1, sizeof(*d));

	if (!d)
		return error_set(err, -ENOMEM, "no memory");
	d->io = s->io;
	d->fd = -1;
	pthread_mutex_init(&d->lock, NULL);
	snprintf(d->path, sizeof(d->path), "%s", path);
	s->device = d;
	s->medium = &stage_slots;
	return 0;
}

/* @noted: what reading the note has returned. */
static int find(struct stage *s, const struct stage_note_block *n, int noted,
		bool is_new, struct error *err)
{
	if (noted && noted != -ENOENT)
		return error_set(err, -EIO, "%.200s/" NOTE NOTE_SUFFIX ", that "
				 "names the log's device, is damaged", s->dir);
	return use(s, noted ? NULL : n, is_new, err);
}

int stage_device_open(struct stage *s, struct error *err)
{
	const char *asked = s->opts.log_device;
	struct stage_note_block n = { 0 };
	int noted = read_note(s, &n), ret;
	bool has_volumes = false;

	if (noted == -ENOENT && !asked[0])
		return 0;
	ret = s->io->list(s->io->arg, s->dir, note_volume, &has_volumes);
	if (ret)
		return error_set(err, ret, "%s: %s", s->dir, strerror(-ret));
	if (noted == -ENOENT && has_volumes)
		return error_set(err, -EEXIST, "%.200s: its logs are in the "
				 "directory: a device for them is for a stage "
				 "without volumes", s->dir);
	ret = create(s, asked[0] ? asked : n.path, err);
	if (ret)
		return ret;
	ret = find(s, &n, noted, !has_volumes, &s->device->error);
	if (!ret)
		return set_limits(s, err);
	close_fd(s->device);
	return has_volumes ? 0 : error_set(err, ret, "%s",
					   s->device->error.text);
}

void stage_device_close(struct stage *s)
{
	if (!s->device)
		return;
	close_fd(s->device);
	pthread_mutex_destroy(&s->device->lock);
	free(s->device->slots);
	free(s->device);
	s->device = NULL;
}

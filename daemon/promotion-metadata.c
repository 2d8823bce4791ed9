// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The metadata of a volume that is promoted: they alone know what the other
 * site lacks.
 *
 * N1 They are there, and this volume's, before the stage lets it go (P3), and
 *    before its device is made: the kernel takes any that fit, and formats what
 *    is zeros, as a volume that has no past.
 * N2 What is not there is waited for, whoever asks how often.
 * N3 What is empty is where an operator wants those that were lost made anew.
 *    Then all of the volume is dirty, and who it succeeds is as the fence says;
 *    it is suspect before (L1): who enables it compares all of it.
 */
#include "promotion-run-impl.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "activation.h"
#include "format.h"
#include "identity.h"
#include "log.h"
#include "metadata-file.h"
#include "state-file.h"

#define SLOTS_BYTES	(DMR_NR_SUPERS * DMR_BLOCK_SIZE)

static bool is_empty(const char *data, ssize_t n)
{
	while (n && !data[n - 1])
		n--;
	return !n;
}

/* 1: it has them, and *@super is theirs; 0: it is empty. -EBADMSG … */
static int look(const char *path, struct dmr_super *super)
{
	char slots[SLOTS_BYTES] = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;
	const char *why;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = pread(fd, slots, sizeof(slots), 0);
	err = n < 0 ? -errno : 0;
	close(fd);
	if (err || is_empty(slots, n))
		return err;
	err = dmr_super_choose(slots, slots + DMR_BLOCK_SIZE, super, &why);
	return err < 0 ? -EBADMSG : 1;
}

static int load_identity(const struct promotion_work *w, struct identity *id)
{
	const char *state_dir = w->run->state_dir;
	int err = identity_load(id, state_dir, w->r->volume);

	return err ? error_set(w->err, err, "%.200s/%s.id: %s", state_dir,
			       w->r->volume, state_error(err)) : 0;
}

/* N1: as they were made, or as epochs were committed with them (U3). */
static int check_owner(const struct promotion_work *w,
		       const struct dmr_super *super)
{
	const struct promotion_record *r = w->r;
	struct identity id;
	int ret;

	if (!identity_is_kept(w->run->state_dir, r->volume))
		return 0;
	ret = load_identity(w, &id);
	if (ret || !memcmp(super->volume_id, id.volume_id, 16) ||
	    !memcmp(super->volume_id, id.kernel_volume, 16))
		return ret;
	return error_set(w->err, -EEXIST, "%s: %.150s is the metadata of "
			 "another volume: bring its own back there", r->volume,
			 r->metadata);
}

static int mark_all(const struct promotion_work *w,
		    const struct replica_header *h)
{
	struct metadata_file *file;
	int ret = metadata_file_begin(&file, w->r->metadata, h, w->err);

	if (ret)
		return ret;
	metadata_file_mark(file, 0, h->volume_bytes);
	return metadata_file_end(file, w->err);
}

/* N3. Of a generation that came later no fence knows who it succeeds. */
static int make_anew(const struct promotion_work *w)
{
	const struct promotion_record *r = w->r;
	char why[KERNEL_ERROR_SIZE] = "";
	struct stage_fence f;
	struct identity id;
	int ret = stage_fence_peek(r->dir, r->volume, &f, w->err);

	if (!ret)
		ret = load_identity(w, &id);
	if (ret)
		return ret;
	if (f.phase < STAGE_PHASE_LEFT || f.header.generation != id.generation)
		return error_set(w->err, -EINVAL, "%s: %.150s is empty, and "
				 "the stage does not know the generation that "
				 "it had: bring it back", r->volume,
				 r->metadata);
	ret = activation_note_suspect(w->run->state_dir, r->volume, why);
	if (ret)
		return error_set(w->err, ret, "%s", why);
	if (f.header.volume_bytes < r->bytes)		/* it has grown since */
		f.header.volume_bytes = r->bytes;
	ret = mark_all(w, &f.header);
	if (!ret)
		log_warn(r->volume, "its metadata %s were empty, and are made "
			 "anew: all of the volume counts as written", r->metadata);
	return ret;
}

/* N2 */
static int tell_missing(const struct promotion_work *w, int code)
{
	const struct promotion_record *r = w->r;

	if (code == -EBADMSG)
		return error_set(w->err, code, "%s: %.150s has no metadata "
				 "that can be read: bring it back as it was",
				 r->volume, r->metadata);
	return error_set(w->err, code, "%s: its metadata %.150s: %s: bring it "
			 "back; if it is lost for good, put an empty one there, "
			 "and all of the volume is compared", r->volume,
			 r->metadata, strerror(-code));
}

int promotion_need_metadata(struct promotion_work *w)
{
	const struct promotion_record *r = w->r;
	char why[KERNEL_ERROR_SIZE];
	struct dmr_super super;
	int ret;

	/* Where it is there, they are the kernel's, which has them open. */
	if (!promotion_has_metadata(r) ||
	    activation_is_due(w->run->kernel_ops, r->volume, why) <= 0)
		return 0;
	ret = look(r->metadata, &super);
	if (ret < 0)
		return tell_missing(w, ret);
	return ret ? check_owner(w, &super) : make_anew(w);
}

uint64_t promotion_bytes(const struct promotion_record *r)
{
	struct dmr_super super;
	uint64_t bytes = promotion_has_metadata(r) &&
			 look(r->metadata, &super) == 1 ?
			 super.sectors * 512 : 0;

	return bytes > r->bytes ? bytes : r->bytes;
}

int promotion_metadata_need(const char *path, uint64_t bytes, uint64_t *need,
			    struct error *err)
{
	struct dmr_super super;
	struct dmr_layout l;
	int ret = look(path, &super);

	if (ret != 1)
		return error_set(err, ret ?: -EBADMSG, "its metadata %.150s: %s",
				 path, strerror(ret ? -ret : EBADMSG));
	if (!dmr_layout_init(&l, bytes / 512, super.chunk_sectors,
			     super.region_sectors))
		return error_set(err, -EINVAL, "a volume of %" PRIu64 " bytes "
				 "has too many regions", bytes);
	*need = l.nr_blocks * DMR_BLOCK_SIZE;
	return 0;
}

bool promotion_lost_metadata(const struct promotion_record *r,
			     const struct replica_header *h)
{
	struct dmr_super super;

	return promotion_has_metadata(r) &&
	       (look(r->metadata, &super) != 1 ||
		memcmp(super.volume_id, h->volume_id, 16) ||
		super.generation != h->generation);
}

// SPDX-License-Identifier: LGPL-2.1-or-later
/* A skeleton, so that users of stage.h can be built: all is refused. */
#include "stage.h"

#include <errno.h>

static int not_yet(struct error *err)
{
	return error_set(err, -ENOSYS, "the stage is not there yet");
}

int stage_open(struct stage **s, const char *dir,
	       const struct stage_options *opts, struct error *err)
{
	return not_yet(err);
}

void stage_close(struct stage *s)
{
}

int stage_create_volume(struct stage *s, const struct stage_volume_config *c,
			struct stage_volume **v, struct error *err)
{
	return not_yet(err);
}

struct stage_volume *stage_find(struct stage *s, const char *name)
{
	return NULL;
}

struct stage_volume *stage_next(struct stage *s, struct stage_volume *v)
{
	return NULL;
}

void stage_get_info(struct stage_volume *v, struct stage_info *info)
{
}

const char *stage_state_name(enum stage_state state)
{
	return "?";
}

int stage_conn_create(struct stage_conn **c, struct stage_volume *v,
		      struct error *err)
{
	return not_yet(err);
}

void stage_conn_destroy(struct stage_conn *c)
{
}

uint64_t stage_size(const struct stage_volume *v)
{
	return 0;
}

int stage_conn_read(struct stage_conn *c, void *buf, size_t len, uint64_t off,
		    struct error *err)
{
	return not_yet(err);
}

int stage_conn_write(struct stage_conn *c, const void *buf, size_t len,
		     uint64_t off, struct error *err)
{
	return not_yet(err);
}

int stage_conn_zero(struct stage_conn *c, uint64_t len, uint64_t off,
		    struct error *err)
{
	return not_yet(err);
}

int stage_image_open(struct stage_image **i, struct stage_volume *v,
		     uint64_t epoch, struct error *err)
{
	return not_yet(err);
}

void stage_image_close(struct stage_image *i)
{
}

uint64_t stage_image_epoch(const struct stage_image *i)
{
	return 0;
}

int stage_image_read(struct stage_image *i, void *buf, size_t len,
		     uint64_t off, struct error *err)
{
	return not_yet(err);
}

int stage_image_extents(struct stage_image *i, uint64_t off, uint64_t len,
			int (*fn)(void *arg, uint64_t off, uint64_t len,
				  enum stage_extent type),
			void *arg, struct error *err)
{
	return not_yet(err);
}

int stage_get_sums(struct stage_volume *v, uint64_t first, uint32_t nr,
		   struct stage_sum *sums, struct error *err)
{
	return not_yet(err);
}

int stage_history(struct stage_volume *v,
		  int (*fn)(void *arg, const struct stage_epoch *e), void *arg)
{
	return 0;
}

int stage_above(struct stage_volume *v, uint64_t epoch,
		int (*fn)(void *arg, uint64_t off, uint64_t len), void *arg,
		struct error *err)
{
	return not_yet(err);
}

int stage_settle(struct stage_volume *v, bool is_all, struct error *err)
{
	return not_yet(err);
}

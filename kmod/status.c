// SPDX-License-Identifier: GPL-2.0
/*
 * dmsetup status, table and message.
 *
 * status: <role> <state> <epoch> <dirty> <frozen> <held> <preserved>
 *	   <hot regions>/<regions> <persistence>
 * Counts are of chunks, epoch is the open one or 0, persistence is "volatile"
 * without a metadata device, else "durable", or "failed" while it can't be
 * written. Fields are only ever appended.
 */
#include "status.h"

#include <linux/slab.h>

#include "args.h"
#include "epoch.h"
#include "event.h"
#include "group.h"
#include "meta.h"
#include "preserve.h"
#include "target.h"

static const char *role_name(u8 role)
{
	return role == DMR_ROLE_PRIMARY ? "primary" :
	       role == DMR_ROLE_READONLY ? "readonly" : "secondary";
}

static const char *persistence(const struct dmr_device *dev)
{
	if (!dev->meta)
		return "volatile";
	return READ_ONCE(dev->meta->error) ? "failed" : "durable";
}

static unsigned int print_info(struct dmr_device *dev, char *result,
			       unsigned int maxlen)
{
	struct dmr_group *g = dmr_group_lock(dev);
	struct dmr_preserve_counts c;
	unsigned int sz = 0;

	dmr_preserve_count(dev, &c);
	DMEMIT("%s %s %llu %llu %llu %llu %llu %u/%llu %s",
	       role_name(dev->role), dmr_state_name(g->state), g->epoch,
	       dmr_map_count(dmr_epoch_dirty(dev, g)),
	       dmr_map_count(dmr_epoch_frozen(dev, g)),
	       c.fuzzy ? 0 : c.held, c.preserved,
	       dev->meta ? READ_ONCE(dev->meta->nr_hot) : 0,
	       dev->geo.nr_regions, persistence(dev));
	dmr_group_unlock(g);
	return sz;
}

void dmr_status(struct dm_target *ti, status_type_t type, unsigned int flags,
		char *result, unsigned int maxlen)
{
	struct dmr_target *t = ti->private;
	unsigned int sz = 0;

	switch (type) {
	case STATUSTYPE_INFO:
		sz = print_info(t->dev, result, maxlen);
		break;
	case STATUSTYPE_TABLE:
		DMEMIT("%s ", t->origin->name);
		sz += dmr_args_print(&t->cfg, t->meta ? t->meta->name : NULL,
				     result + sz, maxlen - sz);
		break;
	case STATUSTYPE_IMA:
		DMEMIT_TARGET_NAME_VERSION(ti->type);
		DMEMIT(",origin=%s;", t->origin->name);
		break;
	}
}

/* ---- messages ---- */

static int mark(struct dmr_device *dev, unsigned int argc, char **argv,
		const char **why)
{
	struct dmr_group *g;
	int r;

	if (strcmp(argv[1], "all")) {
		*why = "mark: only \"all\" is known";
		return -EINVAL;
	}
	g = dmr_group_lock(dev);
	r = dmr_epoch_mark(dev, g, NULL, 0, why);
	dmr_group_unlock(g);
	return r;
}

static int hold_ms(struct dmr_device *dev, u32 ms, const char **why)
{
	struct dmr_group *g = dmr_group_lock(dev);
	int r = dmr_group_hold(g, ms, 0, why);

	dmr_group_unlock(g);
	return r;
}

static int hold(struct dmr_device *dev, unsigned int argc, char **argv,
		const char **why)
{
	u32 ms;

	if (kstrtou32(argv[1], 10, &ms) || !ms) {
		*why = "hold: needs a time in milliseconds";
		return -EINVAL;
	}
	return hold_ms(dev, ms, why);
}

static int unhold(struct dmr_device *dev, unsigned int argc, char **argv,
		  const char **why)
{
	return hold_ms(dev, 0, why);
}

/* Without metadata there is nowhere to record it. */
static int retire(struct dmr_device *dev, unsigned int argc, char **argv,
		  const char **why)
{
	int r = dev->meta ? dmr_meta_retire(dev->meta) : 0;

	if (r)
		*why = "the metadata can't be written";
	return r;
}

static int request(struct dmr_device *dev, unsigned int argc, char **argv,
		   const char **why)
{
	char *text = kzalloc(DMR_MAX_REQUEST + 1, GFP_NOIO);
	unsigned int i;
	size_t len = 0;

	if (!text) {
		*why = "no memory";
		return -ENOMEM;
	}
	for (i = 1; i < argc && len <= DMR_MAX_REQUEST; i++)
		len += snprintf(text + len, DMR_MAX_REQUEST + 1 - len, "%s%s",
				i > 1 ? " " : "", argv[i]);
	if (len <= DMR_MAX_REQUEST)
		dmr_event_request(dev, text);
	else
		*why = "request: longer than 1023 characters";
	kfree(text);
	return len <= DMR_MAX_REQUEST ? 0 : -E2BIG;
}

static const struct message {
	const char *name;
	unsigned int min, max;		/* words, the name included */
	int (*run)(struct dmr_device *dev, unsigned int argc, char **argv,
		   const char **why);
} messages[] = {
	{ "mark", 2, 2, mark },
	{ "hold", 2, 2, hold },
	{ "unhold", 1, 1, unhold },
	{ "retire", 1, 1, retire },
	{ "request", 2, UINT_MAX, request },
};

int dmr_message(struct dm_target *ti, unsigned int argc, char **argv,
		char *result, unsigned int maxlen)
{
	struct dmr_target *t = ti->private;
	const char *why = "unknown message, or wrong number of words";
	unsigned int i;
	int r = -EINVAL;

	for (i = 0; i < ARRAY_SIZE(messages); i++)
		if (!strcmp(argv[0], messages[i].name) &&
		    argc >= messages[i].min && argc <= messages[i].max) {
			r = messages[i].run(t->dev, argc, argv, &why);
			break;
		}
	if (r)
		dmr_warn_limit(t->dev, "message %s refused: %s", argv[0], why);
	return r;
}

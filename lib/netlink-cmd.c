// SPDX-License-Identifier: LGPL-2.1-or-later
/*
 * The commands of the netlink family, one function each: what goes into the
 * request and what is taken from the answer. linux/dm-replica.h says what they
 * mean, netlink.c how they travel.
 */
#include "netlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netlink-impl.h"

#define DUMP_TRIES 10

static struct request request(struct dmr_nl *nl, uint8_t cmd, uint64_t dev)
{
	struct request req = dmr_nl_request(nl, cmd);

	dmr_nl_put_u64(&req, DMR_A_DEV, dev);
	return req;
}

static int run(struct dmr_nl *nl, struct request *req)
{
	return dmr_nl_run(nl, req, false, NULL, NULL);
}

/* --- GET, ATTACH, DETACH ------------------------------------------------- */

struct one_info {
	struct dmr_info *info;		/* NULL = not wanted */
	bool is_there;
};

static int take_info(void *arg, struct nlattr **attrs)
{
	struct one_info *one = arg;

	one->is_there = true;
	return one->info ? dmr_nl_parse_info(one->info, attrs) : 0;
}

static int run_for_info(struct dmr_nl *nl, struct request *req,
			struct dmr_info *info)
{
	struct one_info one = { .info = info };
	int ret = dmr_nl_run(nl, req, false, take_info, &one);

	if (!ret && info && !one.is_there)
		return dmr_nl_fail(nl, -EPROTO, "the kernel has no answer");
	return ret;
}

int dmr_nl_get(struct dmr_nl *nl, uint64_t dev, struct dmr_info *info)
{
	struct request req = request(nl, DMR_CMD_GET, dev);

	return run_for_info(nl, &req, info);
}

int dmr_nl_attach(struct dmr_nl *nl, uint64_t dev, struct dmr_info *info)
{
	struct request req = request(nl, DMR_CMD_ATTACH, dev);

	return run_for_info(nl, &req, info);
}

int dmr_nl_detach(struct dmr_nl *nl, uint64_t dev)
{
	struct request req = request(nl, DMR_CMD_DETACH, dev);

	return run(nl, &req);
}

struct all_infos {
	struct dmr_info *v;
	size_t nr, cap;
};

static int collect_info(void *arg, struct nlattr **attrs)
{
	struct all_infos *all = arg;

	if (all->nr == all->cap) {
		size_t cap = all->cap ? 2 * all->cap : 16;
		struct dmr_info *v = reallocarray(all->v, cap, sizeof(*v));

		if (!v)
			return -ENOMEM;
		all->v = v;
		all->cap = cap;
	}
	return dmr_nl_parse_info(&all->v[all->nr++], attrs);
}

int dmr_nl_get_all(struct dmr_nl *nl, dmr_info_fn fn, void *arg)
{
	struct all_infos all = { 0 };
	int try, ret = -EINTR;
	size_t i;

	for (try = 0; try < DUMP_TRIES && ret == -EINTR; try++) {
		struct request req = dmr_nl_request(nl, DMR_CMD_GET);

		all.nr = 0;
		ret = dmr_nl_run(nl, &req, true, collect_info, &all);
	}
	for (i = 0; i < all.nr && !ret; i++)
		ret = fn(arg, &all.v[i]);
	free(all.v);
	return ret;
}

/* --- the epoch ----------------------------------------------------------- */

int dmr_nl_join(struct dmr_nl *nl, uint64_t dev, uint64_t group)
{
	struct request req = request(nl, DMR_CMD_JOIN, dev);

	dmr_nl_put_u64(&req, DMR_A_GROUP, group);
	return run(nl, &req);
}

static int take_cut(void *arg, struct nlattr **attrs)
{
	struct dmr_cut *cut = arg;

	if (dmr_nl_get_u64(attrs, DMR_A_EPOCH, &cut->epoch) ||
	    dmr_nl_get_u32(attrs, DMR_A_EPOCH_FLAGS, &cut->epoch_flags) ||
	    dmr_nl_get_u64(attrs, DMR_A_CUT_TIME, &cut->cut_time))
		return -EPROTO;
	return 0;
}

int dmr_nl_cut(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
	       uint32_t epoch_flags, struct dmr_cut *cut)
{
	struct request req = request(nl, DMR_CMD_CUT, dev);
	struct dmr_cut got = { 0 };
	int ret;

	dmr_nl_put_u64(&req, DMR_A_EPOCH, epoch);
	if (epoch_flags)
		dmr_nl_put_u32(&req, DMR_A_EPOCH_FLAGS, epoch_flags);
	ret = dmr_nl_run(nl, &req, false, take_cut, &got);
	if (!ret && got.epoch != epoch)
		return dmr_nl_fail(nl, -EPROTO, "the kernel cut another epoch");
	if (!ret && cut)
		*cut = got;
	return ret;
}

static int take_released(void *arg, struct nlattr **attrs)
{
	struct dmr_released *out = arg;

	if (dmr_nl_get_u64(attrs, DMR_A_NR_HELD, &out->nr_held) ||
	    dmr_nl_get_u32(attrs, DMR_A_EPOCH_FLAGS, &out->epoch_flags))
		return -EPROTO;
	return 0;
}

static int release_some(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
			const struct dmr_extent *v, size_t nr,
			struct dmr_released *out)
{
	struct request req = request(nl, DMR_CMD_RELEASE, dev);

	dmr_nl_put_u64(&req, DMR_A_EPOCH, epoch);
	dmr_nl_put_extents(&req, v, nr);
	return dmr_nl_run(nl, &req, false, take_released, out);
}

static size_t portion(size_t nr)
{
	return nr < DMR_MAX_EXTENTS ? nr : DMR_MAX_EXTENTS;
}

int dmr_nl_release(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
		   const struct dmr_extent *v, size_t nr,
		   struct dmr_released *out)
{
	struct dmr_released got = { .nr_held = UINT64_MAX };
	int ret = nr ? 0 : dmr_nl_fail(nl, -EINVAL, "nothing to release");

	while (nr && !ret) {
		ret = release_some(nl, dev, epoch, v, portion(nr), &got);
		v += portion(nr);
		nr -= portion(nr);
	}
	if (!ret && got.nr_held == UINT64_MAX)
		return dmr_nl_fail(nl, -EPROTO, "the kernel has no answer");
	if (!ret && out)
		*out = got;
	return ret;
}

int dmr_nl_end(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
	       enum dmr_end how)
{
	struct request req = request(nl, DMR_CMD_END, dev);

	dmr_nl_put_u64(&req, DMR_A_EPOCH, epoch);
	dmr_nl_put_u32(&req, DMR_A_END, how);
	return run(nl, &req);
}

/* --- maps ---------------------------------------------------------------- */

struct extents_dump {
	dmr_extents_fn fn;
	void *arg;
	struct dmr_extent *buf;		/* aligned, unlike an attribute */
	size_t buf_len;
};

static int take_extents(void *arg, struct nlattr **attrs)
{
	struct extents_dump *d = arg;
	struct nlattr *a = attrs[DMR_A_EXTENTS];
	size_t len = a ? nla_len(a) : 0;

	if (!len || len % sizeof(struct dmr_extent))
		return -EPROTO;
	if (len > d->buf_len) {
		free(d->buf);
		d->buf_len = 0;
		d->buf = malloc(len);
		if (!d->buf)
			return -ENOMEM;
		d->buf_len = len;
	}
	memcpy(d->buf, nla_data(a), len);
	return d->fn(d->arg, d->buf, len / sizeof(struct dmr_extent));
}

static int dump_extents(struct dmr_nl *nl, struct request *req, uint64_t first,
			uint64_t count, dmr_extents_fn fn, void *arg)
{
	struct extents_dump d = { .fn = fn, .arg = arg };
	int ret;

	if (first)
		dmr_nl_put_u64(req, DMR_A_FIRST, first);
	if (count)
		dmr_nl_put_u64(req, DMR_A_COUNT, count);
	ret = dmr_nl_run(nl, req, true, take_extents, &d);
	free(d.buf);
	return ret;
}

int dmr_nl_get_frozen(struct dmr_nl *nl, uint64_t dev, uint64_t epoch,
		      uint64_t first, uint64_t count, dmr_extents_fn fn,
		      void *arg)
{
	struct request req = request(nl, DMR_CMD_GET_FROZEN, dev);

	dmr_nl_put_u64(&req, DMR_A_EPOCH, epoch);
	return dump_extents(nl, &req, first, count, fn, arg);
}

int dmr_nl_get_dirty(struct dmr_nl *nl, uint64_t dev, uint64_t first,
		     uint64_t count, dmr_extents_fn fn, void *arg)
{
	struct request req = request(nl, DMR_CMD_GET_DIRTY, dev);

	return dump_extents(nl, &req, first, count, fn, arg);
}

static int mark_some(struct dmr_nl *nl, uint64_t dev,
		     const struct dmr_extent *v, size_t nr)
{
	struct request req = request(nl, DMR_CMD_MARK, dev);

	if (v)
		dmr_nl_put_extents(&req, v, nr);
	return run(nl, &req);
}

int dmr_nl_mark(struct dmr_nl *nl, uint64_t dev, const struct dmr_extent *v,
		size_t nr)
{
	int ret = 0;

	if (!v)
		return mark_some(nl, dev, NULL, 0);
	while (nr && !ret) {
		ret = mark_some(nl, dev, v, portion(nr));
		v += portion(nr);
		nr -= portion(nr);
	}
	return ret;
}

int dmr_nl_forget(struct dmr_nl *nl, uint64_t dev, uint64_t generation,
		  uint64_t epoch)
{
	struct request req = request(nl, DMR_CMD_FORGET, dev);

	dmr_nl_put_u64(&req, DMR_A_GENERATION, generation);
	dmr_nl_put_u64(&req, DMR_A_EPOCH, epoch);
	return run(nl, &req);
}

/* --- the device ---------------------------------------------------------- */

int dmr_nl_set(struct dmr_nl *nl, uint64_t dev, const struct dmr_set *set)
{
	struct request req = request(nl, DMR_CMD_SET, dev);

	if (set->role)
		dmr_nl_put_u32(&req, DMR_A_ROLE, *set->role);
	if (set->generation)
		dmr_nl_put_u64(&req, DMR_A_GENERATION, *set->generation);
	if (set->last_committed)
		dmr_nl_put_u64(&req, DMR_A_LAST_COMMITTED,
			       *set->last_committed);
	if (set->ancestors)
		dmr_nl_put_ancestors(&req, set->ancestors, set->nr_ancestors);
	return run(nl, &req);
}

int dmr_nl_hold(struct dmr_nl *nl, uint64_t dev, uint32_t timeout_ms)
{
	struct request req = request(nl, DMR_CMD_HOLD, dev);

	dmr_nl_put_u32(&req, DMR_A_TIMEOUT_MS, timeout_ms);
	return run(nl, &req);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * netlink-fuzz [--corpus FILE] [--grow FILE --counts DIR] SECONDS SEED
 * DEVICE...: sends requests that are mostly right (so that the state machine
 * is walked) and partly wrong in command, attributes, lengths, nesting, values
 * or framing, over several sockets that come and go, in walks. First come those
 * of the corpus, as they are, then changed ones and new ones. The kernel's log
 * judges, and:
 *
 * Z1 a request that is framed well is answered, with one of the errors that the
 *    family documents
 * Z2 GET always answers, and what it says fits together
 *
 * What was accepted is counted for each command: where one never was, nothing
 * was tested. Chance alone seldom walks through an epoch, so now and then one
 * is shipped as it should be.
 *
 * Lines of TAP; the seed is printed first. Run several at once, under load.
 *
 * --grow: what reached code of the module that nothing had reached before is
 * added to the file. DIR is where the kernel counts; nothing else may run.
 */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "dmr.h"
#include "fuzz-walk.h"
#include "tap.h"

#define DEVICES_MAX	8
#define SOCKETS		3
#define REFRESH		8	/* requests between two looks at the state */
#define WALK_REQUESTS	48
#define NR(array)	(sizeof(array) / sizeof((array)[0]))

static const struct shape {
	int cmd;
	const char *name;
	bool dump;
	int attr[6];
} shapes[] = {
	{ DMR_CMD_GET, "GET", false, { DMR_A_DEV } },
	{ DMR_CMD_GET, "GET dump", true, { 0 } },
	{ DMR_CMD_ATTACH, "ATTACH", false, { DMR_A_DEV } },
	{ DMR_CMD_JOIN, "JOIN", false, { DMR_A_DEV, DMR_A_GROUP } },
	{ DMR_CMD_CUT, "CUT", false,
	  { DMR_A_DEV, DMR_A_EPOCH, DMR_A_EPOCH_FLAGS } },
	{ DMR_CMD_GET_FROZEN, "GET_FROZEN", true,
	  { DMR_A_DEV, DMR_A_EPOCH, DMR_A_FIRST, DMR_A_COUNT } },
	{ DMR_CMD_GET_DIRTY, "GET_DIRTY", true,
	  { DMR_A_DEV, DMR_A_FIRST, DMR_A_COUNT } },
	{ DMR_CMD_RELEASE, "RELEASE", false,
	  { DMR_A_DEV, DMR_A_EPOCH, DMR_A_EXTENTS } },
	{ DMR_CMD_END, "END", false,
	  { DMR_A_DEV, DMR_A_EPOCH, DMR_A_END } },
	{ DMR_CMD_MARK, "MARK", false, { DMR_A_DEV, DMR_A_EXTENTS } },
	{ DMR_CMD_FORGET, "FORGET", false,
	  { DMR_A_DEV, DMR_A_GENERATION, DMR_A_EPOCH } },
	{ DMR_CMD_SET, "SET", false,
	  { DMR_A_DEV, DMR_A_ROLE, DMR_A_GENERATION, DMR_A_LAST_COMMITTED,
	    DMR_A_ANCESTORS } },
	{ DMR_CMD_HOLD, "HOLD", false, { DMR_A_DEV, DMR_A_TIMEOUT_MS } },
	{ DMR_CMD_DETACH, "DETACH", false, { DMR_A_DEV } },
};

static struct genl sockets[SOCKETS];
static struct genl_request req;
static uint64_t devs[DEVICES_MAX];
static unsigned int nr_devs;
static struct dmr_get state;		/* of the device that is in use */
static uint64_t in_use;
static unsigned int nr_sent, nr_walks, nr_accepted[NR(shapes)], nr_bad;
static struct corpus corpus;
static const char *grow, *counts;	/* NULL: the corpus stays as it is */

static bool one_in(unsigned int n)
{
	return choose(n) == 0;
}

static uint64_t wild(void)
{
	static const uint64_t far[] = { 0, 1, 2, 1ull << 31, 1ull << 32,
					1ull << 40, 1ull << 63, UINT64_MAX };
	uint64_t near = choose(UINT32_MAX);

	near = near << 32 | choose(UINT32_MAX);
	return one_in(2) ? far[choose(NR(far))] : near;
}

/* --- values --------------------------------------------------------------- */

static uint64_t nr_chunks(void)
{
	uint64_t per = state.number[DMR_A_CHUNK_SECTORS];

	return per ? state.number[DMR_A_SECTORS] / per : 1;
}

static uint64_t an_epoch(int cmd)
{
	if (one_in(12))
		return wild();
	if (cmd == DMR_CMD_CUT)
		return state.number[DMR_A_HIGHEST_SEEN] + 1 + choose(3);
	if (cmd == DMR_CMD_FORGET || one_in(12))
		return state.number[DMR_A_LAST_COMMITTED];
	return state.number[DMR_A_EPOCH];
}

static void put_extents(void)
{
	static struct dmr_extent extent[DMR_MAX_EXTENTS + 1];
	unsigned int nr = one_in(20) ? DMR_MAX_EXTENTS + choose(2) :
			  1 + choose(20), i;
	uint64_t start = choose(nr_chunks());
	unsigned int step = 1 + choose(8);
	bool all = one_in(3), bad = one_in(6);

	for (i = 0; i < nr; i++) {
		extent[i].start = (start + i * step) % nr_chunks();
		extent[i].count = 1 + (i ^ step) % 4;
	}
	if (all) {
		extent[0] = (struct dmr_extent){ 0, nr_chunks() };
		nr = 1;
	}
	if (bad)
		extent[choose(nr)] = (struct dmr_extent){ wild(), wild() };
	genl_put(&req, DMR_A_EXTENTS, extent, nr * sizeof(extent[0]));
}

static void put_ancestors(void)
{
	struct dmr_nl_ancestor ancestor[DMR_MAX_NL_ANCESTORS + 1];
	unsigned int nr = choose(one_in(8) ? NR(ancestor) + 1 : 4), i;

	for (i = 0; i < nr; i++) {
		ancestor[i].generation = one_in(9) ? wild() : 1000 - i;
		ancestor[i].end_epoch = one_in(9) ? wild() : 100 - i;
	}
	genl_put(&req, DMR_A_ANCESTORS, ancestor, nr * sizeof(ancestor[0]));
}

/* One of the small ones from first on, at times anything. */
static uint64_t small(unsigned int first, unsigned int nr)
{
	return one_in(9) ? wild() : first + choose(nr);
}

static uint64_t number_for(int cmd, int type)
{
	switch (type) {
	case DMR_A_DEV:
		return one_in(20) ? wild() : in_use;
	case DMR_A_EPOCH:
		return an_epoch(cmd);
	case DMR_A_GROUP:
		return small(0, 3);
	case DMR_A_EPOCH_FLAGS:
		return small(0, 2);
	case DMR_A_END:
		return small(DMR_END_COMMIT, 3);
	case DMR_A_ROLE:
		return one_in(20) ? small(0, 5) : 1u + one_in(8);
	case DMR_A_TIMEOUT_MS:
		return small(0, 5);
	case DMR_A_GENERATION:
	case DMR_A_LAST_COMMITTED:
		return one_in(3) ? wild() : state.number[type];
	default:
		return one_in(3) ? wild() : choose(2 * nr_chunks());
	}
}

static bool is_short(int type)
{
	return type == DMR_A_EPOCH_FLAGS || type == DMR_A_END ||
	       type == DMR_A_ROLE || type == DMR_A_TIMEOUT_MS;
}

static void put(int cmd, int type)
{
	static char junk[512];
	uint64_t n = number_for(cmd, type);

	if (one_in(60))
		genl_put(&req, type, junk, choose(sizeof(junk)));
	else if (type == DMR_A_EXTENTS)
		put_extents();
	else if (type == DMR_A_ANCESTORS)
		put_ancestors();
	else if (is_short(type) != one_in(60))
		genl_put_u32(&req, type, n);
	else
		genl_put_u64(&req, type, n);
}

/* --- requests ------------------------------------------------------------- */

static const struct shape *build(struct genl *genl)
{
	const struct shape *shape = &shapes[choose(NR(shapes))];
	int cmd = one_in(80) ? (int)choose(256) : shape->cmd, i;
	struct nlattr *attr;

	genl_begin(genl, &req, cmd, shape->dump != one_in(80) ? NLM_F_DUMP : 0);
	for (i = 0; i < 6 && shape->attr[i]; i++) {
		attr = (void *)(req.bytes + NLMSG_ALIGN(req.header.nlmsg_len));
		if (!one_in(i && shape->cmd == DMR_CMD_SET ? 2 : 40))
			put(cmd, shape->attr[i]);
		if (one_in(80))
			attr->nla_type ^= one_in(2) ? NLA_F_NESTED :
						      NLA_F_NET_BYTEORDER;
		if (one_in(80))
			put(cmd, shape->attr[i]);
		if (one_in(80))
			put(cmd, choose(DMR_A_MAX + 3));
	}
	return shape;
}

static int count(int cmd, int err)
{
	size_t i;

	for (i = 0; i < NR(shapes); i++)
		if (shapes[i].cmd == cmd && !err)
			nr_accepted[i]++;
	return err;
}

/* As long as nobody else disturbs it. */
static void ship_one(struct genl *genl)
{
	uint64_t epoch;
	struct dmr_extents frozen = { 0 };
	struct dmr_held held;
	struct dmr_get get;
	int i, err = -EAGAIN;

	if (count(DMR_CMD_ATTACH, dmr_attach(genl, in_use, &get)))
		return;
	epoch = get.number[DMR_A_HIGHEST_SEEN] + 1;
	count(DMR_CMD_CUT, dmr_cut(genl, in_use, epoch, one_in(2)));
	for (i = 0; i < 50 && err == -EAGAIN; i++) {
		dmr_extents_free(&frozen);
		err = dmr_extents(genl, DMR_CMD_GET_FROZEN, in_use, epoch,
				  &frozen);
		usleep(err ? 2000 : 0);
	}
	count(DMR_CMD_GET_FROZEN, err);
	if (!err && frozen.nr)
		count(DMR_CMD_RELEASE, dmr_release(genl, in_use, epoch,
			frozen.extent, frozen.nr < DMR_MAX_EXTENTS ?
			frozen.nr : DMR_MAX_EXTENTS, &held));
	count(DMR_CMD_END, dmr_end(genl, in_use, epoch,
				   1 + choose(DMR_END_KEEP)));
	dmr_extents_free(&frozen);
}

static void set_role(struct genl *genl, uint64_t dev, uint32_t role)
{
	genl_begin(genl, &req, DMR_CMD_SET, 0);
	genl_put_u64(&req, DMR_A_DEV, dev);
	genl_put_u32(&req, DMR_A_ROLE, role);
	count(DMR_CMD_SET, genl_talk(genl, &req, NULL, NULL));
}

/* A secondary for a moment, and it forgets. */
static void forget_one(struct genl *genl)
{
	struct dmr_get get;

	if (dmr_attach(genl, in_use, &get))
		return;
	set_role(genl, in_use, DMR_ROLE_SECONDARY);
	genl_begin(genl, &req, DMR_CMD_FORGET, 0);
	genl_put_u64(&req, DMR_A_DEV, in_use);
	genl_put_u64(&req, DMR_A_GENERATION, get.number[DMR_A_GENERATION]);
	genl_put_u64(&req, DMR_A_EPOCH, get.number[DMR_A_HIGHEST_SEEN]);
	count(DMR_CMD_FORGET, genl_talk(genl, &req, NULL, NULL));
	set_role(genl, in_use, DMR_ROLE_PRIMARY);
}

/* Lengths that lie: the kernel need not answer, so nobody waits. */
static void send_torn(struct genl *genl)
{
	uint32_t len = req.header.nlmsg_len, at = choose(len);

	if (one_in(2))
		req.bytes[at] ^= 1 << choose(8);
	else if (one_in(2))
		req.header.nlmsg_len = choose(UINT32_MAX);
	else
		len = 1 + at;
	/* Not to the family: nobody here asks for other families' commands. */
	req.header.nlmsg_type = genl->family;
	send(genl->fd, req.bytes, len, MSG_DONTWAIT);
}

static bool is_documented(int err)
{
	static const int good[] = {
		0, -EINVAL, -ERANGE, -EBUSY, -EPERM, -ESTALE, -EAGAIN,
		-ENODEV, -EOPNOTSUPP, -ENOBUFS, -ENOENT, -EEXIST, -EMSGSIZE,
		-E2BIG, -ENOSPC, -EXDEV, -EALREADY,
	};
	size_t i;

	for (i = 0; i < NR(good); i++)
		if (err == good[i])
			return true;
	return false;
}

static void send_one(struct genl *genl)
{
	const struct shape *shape = build(genl);
	int err;

	nr_sent++;
	if (one_in(30)) {
		send_torn(genl);
		return;
	}
	err = genl_talk(genl, &req, NULL, NULL);
	if (!err && ((struct genlmsghdr *)NLMSG_DATA(&req.header))->cmd ==
		    shape->cmd)
		nr_accepted[shape - shapes]++;
	if (is_documented(err) || nr_bad++ > 10)
		return;
	printf("# request %u, %s: %s, '%s'\n", nr_sent, shape->name,
	       strerrorname_np(-err) ?: "no errno", genl->extack);
}

/* --- state ---------------------------------------------------------------- */

static bool fits_together(const struct dmr_get *get)
{
	const uint64_t *n = get->number;

	return n[DMR_A_LAST_COMMITTED] <= n[DMR_A_HIGHEST_SEEN] &&
	       n[DMR_A_EPOCH] <= n[DMR_A_HIGHEST_SEEN] &&
	       n[DMR_A_NR_DIRTY] <= nr_chunks() &&
	       n[DMR_A_NR_FROZEN] <= nr_chunks() &&
	       n[DMR_A_NR_HELD] <= n[DMR_A_NR_FROZEN] &&
	       n[DMR_A_NR_HOT] <= n[DMR_A_NR_REGIONS] &&
	       n[DMR_A_MEMBERS] >= 1 && n[DMR_A_MEMBERS] <= nr_devs &&
	       n[DMR_A_STATE] >= DMR_STATE_IDLE &&
	       n[DMR_A_STATE] <= DMR_STATE_ABORTED &&
	       n[DMR_A_ROLE] >= DMR_ROLE_PRIMARY &&
	       n[DMR_A_ROLE] <= DMR_ROLE_READONLY;
}

/* A socket of its own: what the others have queued does not matter. */
static void look(void)
{
	struct genl genl;
	int err = genl_open(&genl, DMR_GENL_NAME), i;

	if (one_in(4))
		in_use = devs[choose(nr_devs)];
	if (!err) {
		err = dmr_get(&genl, in_use, &state);
		genl_close(&genl);
	}
	if (!err && fits_together(&state))
		return;
	nr_bad++;
	printf("# GET of %llx after %u requests: %s\n",
	       (unsigned long long)in_use, nr_sent,
	       err ? strerrorname_np(-err) : "does not fit together");
	for (i = 1; !err && i <= DMR_A_MAX; i++)
		if (state.number[i])
			printf("#   attribute %d: %llu\n", i,
			       (unsigned long long)state.number[i]);
}

static struct genl *a_socket(void)
{
	struct genl *genl = &sockets[one_in(10) ? choose(SOCKETS) : 0];

	if (genl->fd >= 0 && one_in(150)) {
		genl_close(genl);
		genl->fd = -1;
	}
	if (genl->fd < 0 && genl_open(genl, DMR_GENL_NAME)) {
		genl->fd = -1;
		return NULL;
	}
	return genl;
}

/* Every walk begins alike, unless another fuzzer disturbs. */
static void start_over(void)
{
	struct dmr_get get;
	struct genl genl;
	unsigned int i;

	for (i = 0; i < SOCKETS; i++) {
		if (sockets[i].fd >= 0)
			genl_close(&sockets[i]);
		sockets[i].fd = -1;
	}
	if (genl_open(&genl, DMR_GENL_NAME))
		return;
	for (i = 0; i < nr_devs; i++) {
		if (dmr_attach(&genl, devs[i], &get))
			continue;
		set_role(&genl, devs[i], DMR_ROLE_PRIMARY);
		dmr_join(&genl, devs[i], 0);
	}
	genl_close(&genl);
	in_use = devs[0];
}

static void take_walk(void)
{
	struct genl *genl;
	unsigned int i;

	nr_walks++;
	start_over();
	for (i = 0; i < WALK_REQUESTS && nr_bad < 100; i++) {
		if (i % REFRESH == 0)
			look();
		genl = a_socket();
		if (!genl)
			nr_bad++;
		else if (one_in(50))
			one_in(4) ? forget_one(genl) : ship_one(genl);
		else
			send_one(genl);
	}
}

static void fuzz(unsigned int seconds)
{
	size_t nr = corpus.nr, i;
	time_t end;

	for (i = 0; i < nr; i++) {
		walk_begin(corpus.walk[i], corpus.len[i]);
		take_walk();
	}
	if (grow && coverage_grew(counts) < 0) {
		ok(false, "%s: nothing is counted there", counts);
		return;
	}
	for (end = time(NULL) + seconds; time(NULL) < end && nr_bad < 100;) {
		walk_mutate(&corpus);
		take_walk();
		if (grow && coverage_grew(counts) && corpus_add(grow, &corpus))
			nr_bad++;
	}
}

static bool has_options(int argc, char **argv)
{
	static const struct option options[] = {
		{ "corpus", required_argument, NULL, 'c' },
		{ "grow", required_argument, NULL, 'g' },
		{ "counts", required_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'c' && corpus_read(optarg, &corpus))
			return false;
		else if (c == 'g')
			grow = optarg;
		else if (c == 'n')
			counts = optarg;
		else if (c == '?')
			return false;
	}
	return !grow == !counts && argc - optind >= 3 &&
	       argc - optind <= 2 + DEVICES_MAX;
}

int main(int argc, char **argv)
{
	unsigned int i;

	if (!has_options(argc, argv)) {
		fprintf(stderr, "usage: netlink-fuzz [--corpus FILE] "
			"[--grow FILE --counts DIR] SECONDS SEED DEVICE...\n");
		return 2;
	}
	argv += optind;
	argc -= optind;
	srand(atoi(argv[1]));
	printf("# seed %s, %zu walks in the corpus\n", argv[1], corpus.nr);
	for (i = 0; i < SOCKETS; i++)
		sockets[i].fd = -1;
	for (; nr_devs < (unsigned int)argc - 2; nr_devs++)
		if (!ok(!dmr_dev_of_path(argv[2 + nr_devs], &devs[nr_devs]),
			"%s", argv[2 + nr_devs]))
			return tap_done();
	fuzz(atoi(argv[0]));
	ok(!nr_bad, "Z1, Z2: %u requests in %u walks, %u bad answers", nr_sent,
	   nr_walks, nr_bad);
	for (i = 0; i < NR(shapes); i++)
		printf("# accepted %u %s\n", nr_accepted[i], shapes[i].name);
	return tap_done();
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cut-proxy [--mute] [--each] [--live=MS] LISTEN TARGET MESSAGES PROGRESS,
 * cut-proxy --asked LISTEN TARGET STEP PROGRESS:
 * stands between a client and a server of NBD, in TLS or not, or of a join
 * (pairing-wire.h), and cuts the link after each message of theirs in turn.
 * LISTEN, TARGET: the path of a Unix socket, or ADDRESS:PORT (IPv4). After each
 * such step all connections live for MS from the first one on, so that
 * something is committed on the way, and are cut; the next one takes the next
 * step. A step is a message (the first, a second, up to MESSAGES, of either
 * side; FROM-TO: from one to the other; 0: all goes through) and one of these:
 *
 *	the request is lost, or half of it, and both sides are cut off
 *	its reply is lost, or half of it, and both sides are cut off
 *  with --mute:
 *	from that request on, no request goes through, but replies do
 *	from that reply on, no reply goes through, but requests do
 *
 * A line "step MESSAGE KIND" goes to PROGRESS for each step that was taken, "done"
 * after the last one: then everything goes through.
 *
 * With --asked all goes through until SIGUSR1 comes, which has STEP read: "MESSAGE
 * KIND" is the one step then, MESSAGE counted from that moment on, of one side but
 * of all connections together. "armed" goes to PROGRESS when that begins.
 *
 * C1 What goes through of a step's connection is whole messages, but where half
 *    of one is the step. (Its client asks for no structured replies.) In TLS a
 *    message is a record.
 * C2 A step whose connection ended before its message came is taken again, by
 *    the next connection, TRIES times at most; "missed" is written then.
 * C3 With --each every connection takes a step, and once: one that ends by
 *    itself has no such message, and neither side will have a later one: "done"
 *    follows the first message of which no step was taken.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nbd-wire.h"

#define LIVE_MS		250	/* where --live does not say */
#define TRIES		20
#define NR_CONNS	32
#define NR_READS	1024		/* under way, of one connection */
#define GREETING	18
#define OPTION		16
#define REQUEST		28
#define RECORD		5		/* the head of TLS's */
#define MOST		(40u << 20)

enum kind { LOSE_REQUEST, HALF_REQUEST, LOSE_REPLY, HALF_REPLY, NR_LOUD,
	    MUTE_REQUESTS = NR_LOUD, MUTE_REPLIES, NR_KINDS, NONE };

static const char *const kind_names[NR_KINDS] = {
	"lose-request", "half-request", "lose-reply", "half-reply",
	"mute-requests", "mute-replies",
};

enum { CLIENT, SERVER, NR_SIDES };

/* What comes from one side. */
struct side {
	int fd;
	char *data;
	size_t len;
	unsigned int nr;		/* messages so far */
	bool is_mute;			/* they go nowhere */
};

struct read_request {
	uint64_t cookie;
	uint32_t len;			/* 0: this one is free */
};

struct conn {
	struct side side[NR_SIDES];	/* fd -1: the connection is free */
	struct read_request reads[NR_READS];
	enum kind kind;
	unsigned int message;		/* of the step */
	bool is_free;			/* as long as that lasts */
	bool is_taken;			/* the step */
};

static struct conn conns[NR_CONNS];
static const char *target;
static FILE *progress;
static unsigned int first_message, nr_messages, step, tries;
static int64_t live_ms = LIVE_MS;
static int64_t free_until_ms;		/* -1: from the next connection on */
static bool is_step_given;		/* to a connection that there is */
static bool is_each, is_any_taken, is_over;	/* C3 */
static const char *step_file;		/* --asked */
static unsigned int nr_since;		/* messages of the step's side, since */
static volatile sig_atomic_t is_asked;
static enum kind first_kind, end_kind;

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

union address {
	struct sockaddr any;
	struct sockaddr_un un;
	struct sockaddr_in in;
};

/* ADDRESS:PORT */
static bool parse_ipv4(const char *text, struct sockaddr_in *in)
{
	char host[INET_ADDRSTRLEN];
	unsigned short port;

	if (sscanf(text, "%15[0-9.]:%hu", host, &port) != 2)
		return false;
	in->sin_family = AF_INET;
	in->sin_port = htons(port);
	return inet_pton(AF_INET, host, &in->sin_addr) == 1;
}

static socklen_t address_len(const union address *addr)
{
	return addr->any.sa_family == AF_UNIX ? sizeof(addr->un) :
						sizeof(addr->in);
}

static int open_socket(const char *where, union address *addr)
{
	int fd, one = 1;

	memset(addr, 0, sizeof(*addr));
	if (!parse_ipv4(where, &addr->in)) {
		addr->un.sun_family = AF_UNIX;
		if (snprintf(addr->un.sun_path, sizeof(addr->un.sun_path),
			     "%s", where) >= (int)sizeof(addr->un.sun_path))
			die(where);
	}
	fd = socket(addr->any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		die(where);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

/* --- messages ------------------------------------------------------------- */

static uint32_t get32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t get64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static struct read_request *find_read(struct conn *c, uint64_t cookie,
				      bool is_free)
{
	for (int i = 0; i < NR_READS; i++)
		if (is_free ? !c->reads[i].len :
		    c->reads[i].len && c->reads[i].cookie == cookie)
			return &c->reads[i];
	return NULL;
}

/* Nothing of NBD begins like this: a record of TLS. */
static bool is_record(const struct side *s)
{
	return s->len >= 2 && s->data[0] >= 0x14 && s->data[0] <= 0x17 &&
	       s->data[1] == 3;
}

static size_t record_len(const struct side *s)
{
	const uint8_t *p = (const uint8_t *)s->data;

	return s->len < RECORD ? RECORD : RECORD + (p[3] << 8 | p[4]);
}

/* Bytes of the first message; more than there are if it is not all here. */
static size_t request_len(struct conn *c, const struct side *s)
{
	const char *p = s->data;

	if (s->len < 2)
		return 2;
	if (is_record(s))
		return record_len(s);
	if (!s->nr)			/* the flags are a message, too */
		return 4;
	if (s->len < 8)
		return 8;
	if (get64(p) == NBD_OPT_MAGIC)
		return s->len < OPTION ? OPTION : OPTION + get32(p + 12);
	if (s->len < REQUEST || (get32(p + 4) & 0xffff) != NBD_CMD_WRITE)
		return REQUEST;
	return REQUEST + get32(p + 24);
}

static size_t reply_len(struct conn *c, const struct side *s)
{
	const char *p = s->data;
	struct read_request *r;

	if (s->len < 2)
		return 2;
	if (is_record(s))
		return record_len(s);
	if (!s->nr)
		return GREETING;
	if (s->len < 16)
		return 16;
	if (get64(p) == NBD_REP_MAGIC)
		return s->len < 20 ? 20 : 20 + get32(p + 16);
	r = find_read(c, get64(p + 8), false);
	return r && !get32(p + 4) ? 16 + r->len : 16;
}

static void note_request(struct conn *c, const char *p, size_t len)
{
	struct read_request *r;

	if (len != REQUEST || get32(p) != NBD_REQUEST_MAGIC ||
	    (get32(p + 4) & 0xffff) != NBD_CMD_READ)
		return;
	r = find_read(c, 0, true);
	if (r)
		*r = (struct read_request){ get64(p + 8), get32(p + 24) };
}

static void note_reply(struct conn *c, const char *p, size_t len)
{
	struct read_request *r;

	if (len < 16 || get32(p) != NBD_SIMPLE_REPLY_MAGIC)
		return;
	r = find_read(c, get64(p + 8), false);
	if (r)
		r->len = 0;
}

/* --- steps ---------------------------------------------------------------- */

static void note_asked(int signal)
{
	is_asked = true;
}

/* The step that is asked for is the only one. */
static void arm(void)
{
	FILE *f = fopen(step_file, "r");
	char name[32] = "";

	is_asked = false;
	if (!f || fscanf(f, "%u %31s", &first_message, name) != 2)
		die(step_file);
	fclose(f);
	for (first_kind = 0; strcmp(kind_names[first_kind], name);)
		if (++first_kind == NR_KINDS)
			die(name);
	end_kind = first_kind + 1;
	nr_messages = 1;
	step = nr_since = 0;
	fprintf(progress, "armed\n");
	fflush(progress);
}

static bool is_done(void)
{
	return is_over || step >= nr_messages * (end_kind - first_kind);
}

/* C3 */
static void note_whether_any(bool is_step)
{
	is_any_taken |= is_step;
	if (step % (end_kind - first_kind))
		return;
	is_over = is_each && !is_any_taken;
	is_any_taken = false;
}

static void say_taken(struct conn *c, bool is_step)
{
	fprintf(progress, "%s %u %s\n", is_step ? "step" : "missed",
		c->message, kind_names[c->kind]);
	step++;
	note_whether_any(is_step);
	tries = 0;
	free_until_ms = -1;
	is_step_given = false;
	if (is_done())
		fprintf(progress, "done\n");
	fflush(progress);
}

static void plan(struct conn *c)
{
	c->kind = NONE;
	c->is_taken = false;
	c->is_free = false;
	if (step_file)
		c->kind = LOSE_REQUEST;		/* any: to be read */
	if (step_file || is_done() || is_step_given)
		return;
	if (free_until_ms < 0)
		free_until_ms = now_ms() + (is_each ? 0 : live_ms);
	if (now_ms() < free_until_ms) {
		c->is_free = true;
		return;
	}
	is_step_given = true;
	c->kind = first_kind + step % (end_kind - first_kind);
	c->message = step / (end_kind - first_kind) + first_message;
}

/* To be asked once for each message. */
static bool is_step(struct conn *c, int from)
{
	static const int side_of[NR_KINDS] = {
		[LOSE_REPLY] = SERVER, [HALF_REPLY] = SERVER,
		[MUTE_REPLIES] = SERVER,
	};

	if (step_file) {
		if (is_done() || side_of[first_kind] != from ||
		    ++nr_since != first_message)
			return false;
		c->kind = first_kind;
		c->message = first_message;
		return true;
	}
	return c->kind != NONE && !c->is_taken && side_of[c->kind] == from &&
	       c->side[from].nr == c->message;
}

static void hang_up(struct conn *c)
{
	if (!step_file && c->kind != NONE && !c->is_taken) {
		is_step_given = false;
		if (++tries >= (is_each ? 1 : TRIES))
			say_taken(c, false);
	}
	for (int i = 0; i < NR_SIDES; i++) {
		close(c->side[i].fd);
		free(c->side[i].data);
		c->side[i] = (struct side){ .fd = -1 };
	}
}

static bool put(int fd, const char *data, size_t len)
{
	ssize_t n;

	for (; len; data += n, len -= n) {
		n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0)
			return false;
	}
	return true;
}

/* One whole message. False: the connection has ended. */
static bool pass(struct conn *c, int from, size_t len)
{
	struct side *s = &c->side[from];
	int to = c->side[!from].fd;

	s->nr++;
	if (is_step(c, from)) {
		c->is_taken = true;
		say_taken(c, true);
		if (c->kind < NR_LOUD) {
			if (c->kind == HALF_REQUEST || c->kind == HALF_REPLY)
				put(to, s->data, len / 2);
			return false;
		}
		s->is_mute = true;
	}
	if (from == CLIENT)
		note_request(c, s->data, len);
	else
		note_reply(c, s->data, len);
	return s->is_mute || put(to, s->data, len);
}

/* What has come is passed on. False: the connection has ended. */
static bool take(struct conn *c, int from)
{
	struct side *s = &c->side[from];
	size_t len;
	ssize_t n;

	s->data = realloc(s->data, s->len + 65536);
	if (!s->data)
		die("realloc");
	n = read(s->fd, s->data + s->len, 65536);
	if (n <= 0)
		return false;
	s->len += n;
	if (c->kind == NONE) {
		s->len = 0;
		return put(c->side[!from].fd, s->data, n);
	}
	for (;;) {
		len = from == CLIENT ? request_len(c, s) : reply_len(c, s);
		if (len > MOST)
			die("a message that is none");
		if (len > s->len)
			return true;
		if (!pass(c, from, len))
			return false;
		s->len -= len;
		memmove(s->data, s->data + len, s->len);
	}
}

static void accept_one(int listener)
{
	union address addr;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC), server, i;

	for (i = 0; i < NR_CONNS && conns[i].side[CLIENT].fd >= 0; i++)
		;
	server = open_socket(target, &addr);
	if (fd < 0 || i == NR_CONNS ||
	    connect(server, &addr.any, address_len(&addr))) {
		close(server);
		close(fd);
		return;
	}
	memset(&conns[i], 0, sizeof(conns[i]));
	conns[i].side[CLIENT].fd = fd;
	conns[i].side[SERVER].fd = server;
	plan(&conns[i]);
}

/* --- all of it ------------------------------------------------------------ */

static void turn(int listener)
{
	struct pollfd p[1 + 2 * NR_CONNS] = { { listener, POLLIN, 0 } };
	int64_t now;

	for (int i = 0; i < 2 * NR_CONNS; i++)
		p[1 + i] = (struct pollfd){ conns[i / 2].side[i % 2].fd,
					    POLLIN, 0 };
	if (poll(p, 1 + 2 * NR_CONNS, 20) < 0 && errno != EINTR)
		die("poll");
	if (is_asked)
		arm();
	now = now_ms();
	for (int i = 0; i < 2 * NR_CONNS; i++) {
		struct conn *c = &conns[i / 2];

		if (c->side[0].fd < 0)
			continue;
		if ((p[1 + i].revents && !take(c, i % 2)) ||
		    (c->is_free && now >= free_until_ms && !is_done()))
			hang_up(c);
	}
	if (p[0].revents)
		accept_one(listener);
}

/* N: the first N; FROM-TO */
static void parse_messages(const char *text)
{
	unsigned int to;

	if (sscanf(text, "%u-%u", &first_message, &to) != 2) {
		first_message = 1;
		to = atoi(text);
	}
	nr_messages = to >= first_message ? to - first_message + 1 : 0;
}

/* How many there are. */
static int parse_options(char **argv, bool *is_mute)
{
	int n = 0;

	for (; argv[n] && !strncmp(argv[n], "--", 2); n++) {
		if (!strcmp(argv[n], "--mute"))
			*is_mute = true;
		else if (!strcmp(argv[n], "--each"))
			is_each = true;
		else if (!strcmp(argv[n], "--asked"))
			step_file = argv[n];
		else if (sscanf(argv[n], "--live=%" SCNd64, &live_ms) != 1)
			break;
	}
	return n;
}

int main(int argc, char **argv)
{
	int nr_options, listener;
	bool is_mute = false;
	union address addr;

	nr_options = argc ? parse_options(argv + 1, &is_mute) : 0;
	argv += nr_options;
	argc -= nr_options;
	if (argc != 5) {
		fprintf(stderr, "usage: cut-proxy [--mute] [--each] "
			"[--live=MS] LISTEN TARGET MESSAGES PROGRESS\n"
			"       cut-proxy --asked LISTEN TARGET STEP "
			"PROGRESS\n");
		return 2;
	}
	if (step_file)
		step_file = argv[3];
	else
		parse_messages(argv[3]);
	signal(SIGUSR1, note_asked);
	first_kind = is_mute ? NR_LOUD : 0;
	end_kind = is_mute ? NR_KINDS : NR_LOUD;
	target = argv[2];
	progress = fopen(argv[4], step_file ? "a" : "w");
	listener = open_socket(argv[1], &addr);
	if (!progress || bind(listener, &addr.any, address_len(&addr)) ||
	    listen(listener, 16))
		die(argv[1]);
	for (int i = 0; i < NR_CONNS; i++)
		conns[i].side[0].fd = conns[i].side[1].fd = -1;
	for (;;)
		turn(listener);
}

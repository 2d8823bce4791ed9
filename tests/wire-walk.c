// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * wire-walk SEED MEMBERS SOCKET COMMAND...: a walk of clients, right and wrong
 * ones, in any order, through a server over NBD: what unit-stage-any-order does
 * with the stage alone. COMMAND runs the server on SOCKET, with a stage of
 * which nothing was written yet, volumes "a" and, of two MEMBERS, "b" in a
 * group, of WALK_BYTES that grow to WALK_BYTES_MAX. It is killed now and then,
 * and all history must be kept.
 *
 * After each request the tail says what the model says, and now and then an
 * image has what was committed. Status 1, and what went wrong: it was not so.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client-steps.h"
#include "nbd-read.h"
#include "nbd-wire.h"

#define STEPS		400
#define START_S		120		/* a busy machine */

static struct {
	struct dice dice;
	struct client_model m;
	const char *socket;
	char **command;
	pid_t server;
	struct nbd_reader conns[WALK_CONNS];
	bool has_conn[WALK_CONNS];
	struct nbd_reader eyes[WALK_MEMBERS];	/* which only look */
	unsigned int step, nr_taken, nr_refused, nr_looks, nr_kills;
	char last[200];
} w;

static void __attribute__((noreturn, format(printf, 1, 2)))
wrong(const char *fmt, ...)
{
	va_list args;

	printf("wrong, step %u, %s: ", w.step, w.last);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	if (w.server)
		kill(w.server, SIGKILL);
	exit(1);
}

/* --- the server ----------------------------------------------------------- */

static const char *name_of(unsigned int member)
{
	return member ? "b" : "a";
}

static int try_to_look(unsigned int member)
{
	return nbd_reader_open(&w.eyes[member], w.socket, name_of(member));
}

static void start_server(void)
{
	time_t until = time(NULL) + START_S;

	unlink(w.socket);
	fflush(stdout);
	w.server = fork();
	if (!w.server) {
		execvp(w.command[0], w.command);
		_exit(127);
	}
	for (unsigned int i = 0; i < w.m.nr_members; i++)
		while (try_to_look(i)) {
			if (time(NULL) > until ||
			    waitpid(w.server, NULL, WNOHANG))
				wrong("no server");
			usleep(10000);
		}
}

static void kill_server(void)
{
	kill(w.server, SIGKILL);
	waitpid(w.server, NULL, 0);
	w.server = 0;
	for (unsigned int i = 0; i < WALK_CONNS; i++) {
		if (w.has_conn[i])
			nbd_reader_close(&w.conns[i]);
		w.has_conn[i] = false;
	}
	for (unsigned int i = 0; i < w.m.nr_members; i++)
		nbd_reader_close(&w.eyes[i]);
}

/* --- looking -------------------------------------------------------------- */

/* A look keeps the size with which it was begun, as any connection. */
static struct replica_header read_tail(unsigned int member)
{
	struct nbd_reader *r = &w.eyes[member];
	struct replica_header h = { 0 };
	char slots[REPLICA_HEADERS_BYTES];
	int ret = nbd_reader_read(r, slots, sizeof(slots),
				  r->bytes - REPLICA_TAIL_BYTES);

	if (ret)
		wrong("the tail: %s", strerror(-ret));
	ret = replica_header_pick(&h, slots, sizeof(slots), NULL);
	if (ret && ret != -ENODATA)
		wrong("the tail has no header");
	return h;
}

static void check_tails(void)
{
	char why[MODEL_WHY] = "written or not";

	for (unsigned int i = 0; i < w.m.nr_members; i++) {
		struct replica_header h = read_tail(i);

		if (!h.seq != !w.m.members[i].seq ||
		    (h.seq && !model_serves(&w.m, i, &h, why)))
			wrong("the tail of %s: %s", name_of(i), why);
	}
}

/* The sectors of @past that an export of this name has. */
static void check_export(const char *name, const uint32_t *image)
{
	static char buf[WALK_BYTES_MAX];
	struct nbd_reader r;
	char want[WALK_SECTOR];
	int ret = nbd_reader_open(&r, w.socket, name);
	uint64_t sectors;

	if (ret)
		wrong("%s: %s", name, strerror(-ret));
	sectors = (r.bytes < sizeof(buf) ? r.bytes : sizeof(buf)) / WALK_SECTOR;
	ret = nbd_reader_read(&r, buf, sectors * WALK_SECTOR, 0);
	nbd_reader_close(&r);
	if (ret)
		wrong("%s: %s", name, strerror(-ret));
	for (uint64_t i = 0; i < sectors; i++) {
		fill_sector(want, i, image[i]);
		if (memcmp(buf + i * WALK_SECTOR, want, sizeof(want)))
			wrong("%s: other data in sector %llu", name,
			      (unsigned long long)i);
	}
	w.nr_looks++;
}

/* The newest image, and one of the epochs. */
static void check_images(unsigned int member)
{
	const struct past *p = model_newest(&w.m);
	char name[40];

	if (!p)
		return;
	snprintf(name, sizeof(name), "%s@latest", name_of(member));
	check_export(name, p->image[member]);
	for (uint64_t back = roll(&w.dice, 8); p->before && back; back--)
		p = p->before;
	if (!p->is_clean)
		return;
	snprintf(name, sizeof(name), "%s@%llu", name_of(member),
		 (unsigned long long)p->epoch);
	check_export(name, p->image[member]);
}

/* --- requests ------------------------------------------------------------- */

static int ask(const struct request *r)
{
	static char buf[WALK_BYTES_MAX];
	struct nbd_reader *conn = &w.conns[r->conn];

	if (r->type == REQUEST_ZERO)
		return nbd_reader_ask(conn, NBD_CMD_WRITE_ZEROES, NULL, r->len,
				      r->off);
	if (r->type == REQUEST_WRITE) {
		fill_request(r, buf);
		return nbd_reader_ask(conn, NBD_CMD_WRITE, buf, r->len, r->off);
	}
	memset(buf, 0, REPLICA_SLOT_BYTES);
	encode_request(r, buf);
	return nbd_reader_ask(conn, NBD_CMD_WRITE, buf, REPLICA_SLOT_BYTES,
			      r->off);
}

static void do_request(const struct request *r)
{
	unsigned int refusals = model_step(&w.m, r), got;
	int ret;

	if (r->type == REQUEST_CLOSE) {
		nbd_reader_close(&w.conns[r->conn]);
		w.has_conn[r->conn] = false;
		return;
	}
	if (r->type == REQUEST_CONNECT) {
		ret = nbd_reader_open(&w.conns[r->conn], w.socket,
				      name_of(r->member));
		if (ret || w.conns[r->conn].bytes !=
			   replica_export_bytes(w.m.conns[r->conn].bytes))
			wrong("no connection, or of another size");
		w.has_conn[r->conn] = true;
		return;
	}
	ret = ask(r);
	/* Beyond the export, which nbdkit itself refuses so. */
	if (ret == -ENOSPC && r->off + r->len > w.conns[r->conn].bytes)
		ret = -EINVAL;
	got = refusal_of(ret);
	if (refusals ? !got || (got & ~refusals) : got)
		wrong("%s, and that is none of %x", ret ? strerror(-ret) :
		      "taken", refusals);
	w.nr_taken += !ret;
	w.nr_refused += !!ret;
}

static void kill_and_look(void)
{
	struct replica_header h[WALK_MEMBERS];

	snprintf(w.last, sizeof(w.last), "a kill");
	kill_server();
	start_server();
	w.nr_kills++;
	for (unsigned int i = 0; i < w.m.nr_members; i++)
		h[i] = read_tail(i);
	if (!model_reopen(&w.m, h))
		wrong("header %llu, highest seen %llu: neither as it was, nor "
		      "what is durable", (unsigned long long)h[0].seq,
		      (unsigned long long)h[0].highest_seen);
}

static void step(void)
{
	struct request r;

	if (!roll(&w.dice, 60)) {
		kill_and_look();
	} else {
		next_request(&w.dice, &w.m, &r);
		describe_request(&r, w.last, sizeof(w.last));
		do_request(&r);
	}
	check_tails();
	if (!roll(&w.dice, 12))
		check_images(roll(&w.dice, w.m.nr_members));
}

int main(int argc, char **argv)
{
	uint64_t seed;

	if (argc < 5) {
		fprintf(stderr, "usage: wire-walk SEED MEMBERS SOCKET "
			"COMMAND...\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	seed = strtoull(argv[1], NULL, 0);
	w.dice.state = seed * 0x9e3779b97f4a7c15ULL | 1;
	for (int i = 0; i < 8; i++)
		roll(&w.dice, 2);
	model_begin(&w.m, atoi(argv[2]));
	w.socket = argv[3];
	w.command = argv + 4;
	start_server();
	for (w.step = 1; w.step <= STEPS; w.step++)
		step();
	kill_and_look();
	for (unsigned int i = 0; i < w.m.nr_members; i++)
		check_images(i);
	kill_server();
	model_free_all();
	printf("walk %llu: %u taken, %u refused, %u images, %u kills\n",
	       (unsigned long long)seed, w.nr_taken, w.nr_refused, w.nr_looks,
	       w.nr_kills);
	return 0;
}

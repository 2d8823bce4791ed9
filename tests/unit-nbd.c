/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the NBD client promises to its user, against a server that behaves.
 * If this failed, a request could be lost, split wrongly, or its buffer could
 * be given back while the kernel still reads it.
 */
#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "nbd-client.h"
#include "nbd-script.h"
#include "tap.h"

static struct script_server server;
static uint8_t data[8 << 20];
static uint64_t image_sum;	/* the server's thread, then main */
static atomic_bool is_drained;

static struct client *run(void (*script)(struct script_server *s),
			  void (*on_ready)(struct client *c),
			  void (*on_done)(struct client *c,
					  struct client_req *r),
			  const struct nbd_opts *opts)
{
	struct client *c = calloc(1, sizeof(*c));

	c->on_ready = on_ready;
	c->on_done = on_done;
	if (script_start(&server, script))
		abort();
	client_run(c, server.uri, opts);
	script_end(&server);
	return c;
}

static bool all_errs_are(const struct client *c, int err)
{
	unsigned int i;

	for (i = 0; i < c->nr_started; i++)
		if (c->reqs[i].err != err)
			return false;
	return client_all_done(c);
}

/* --- what the server says is what the user sees --------------------------- */

static void limits_script(struct script_server *s)
{
	script_greet(s);
	script_get_go(s);
	script_opt(s, NBD_REP_INFO, "\0\1vol", 5);
	script_blocks(s, 512, 4096, 65536);
	script_export(s, 12345 * 512, NBD_FLAG_HAS_FLAGS |
		      NBD_FLAG_READ_ONLY | NBD_FLAG_SEND_FLUSH);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	script_serve(s);
}

/* Each is refused here, and never reaches the server. */
static void wrong_requests(struct client *c)
{
	uint64_t size = c->info.size;

	nbd_write(c->conn, client_req(c), data, 512, 0, 0);
	nbd_write_zeroes(c->conn, client_req(c), 512, 0, 0);
	nbd_read(c->conn, client_req(c), data, 512, size);
	nbd_read(c->conn, client_req(c), data, 1024, size - 512);
	nbd_read(c->conn, client_req(c), data, 512, UINT64_MAX - 511);
	nbd_read(c->conn, client_req(c), data, 100, 0);
	nbd_read(c->conn, client_req(c), data, 512, 100);
	nbd_read(c->conn, client_req(c), data, 0, 0);
	nbd_disconnect(c->conn);
	nbd_read(c->conn, client_req(c), data, 512, 0);
}

static void test_limits(void)
{
	static const int errs[] = { -EROFS, -EOPNOTSUPP, -EINVAL, -EINVAL,
				    -EINVAL, -EINVAL, -EINVAL, 0, -ESHUTDOWN };
	struct client *c = run(limits_script, wrong_requests, NULL, NULL);
	const struct nbd_info *info = &c->info;
	unsigned int i;

	ok(c->nr_ready == 1 && info->size == 12345 * 512 &&
	   info->is_read_only && info->can_flush && !info->can_fua &&
	   !info->can_write_zeroes && !info->can_multi_conn, "size and flags");
	ok(info->block_min == 512 && info->block_pref == 4096 &&
	   info->block_max == 65536, "block sizes");
	for (i = 0; i < sizeof(errs) / sizeof(errs[0]); i++)
		is_int(c->reqs[i].err, errs[i], "wrong request %u", i);
	ok(client_all_done(c), "one callback for each");
	is_int(server.nr_requests, 0, "the server saw none of them");
	is_int(server.nr_disc, 1, "the server got a goodbye");
	is_int(c->err, 0, "and the end is no error");
	free(c);
}

/* --- many requests, few slots --------------------------------------------- */

static void leave_after_last(struct client *c, struct client_req *r)
{
	(void)r;
	if (client_all_done(c))
		nbd_disconnect(c->conn);
}

static void many_requests(struct client *c)
{
	unsigned int i;

	for (i = 0; i < CLIENT_REQS - 4; i += 4) {
		nbd_write(c->conn, client_req(c), data, 4096, i * 4096,
			  NBD_REQ_FUA);
		nbd_write_zeroes(c->conn, client_req(c), 1 << 20, 0,
				 NBD_REQ_NO_HOLE);
		nbd_read(c->conn, client_req(c), data + i * 65536, 131072, 0);
		nbd_flush(c->conn, client_req(c));
	}
}

static void serving_script(struct script_server *s)
{
	script_negotiate(s);
	script_serve(s);
}

static void test_many(void)
{
	struct nbd_opts opts = { .depth = 3 };
	struct client *c = run(serving_script, many_requests,
			       leave_after_last, &opts);

	ok(all_errs_are(c, 0), "%u requests through 3 slots", c->nr_started);
	is_int(server.nr_requests, c->nr_started, "each sent once");
	is_int(c->err, 0, "a goodbye ends it");
	free(c);
}

/* --- a long run ----------------------------------------------------------- */

#define RUN_DEPTH	64
#define RUN_LEN		20000

static unsigned int nr_run;

static void start_run(struct client *c)
{
	unsigned int i;

	for (i = 0; i < RUN_DEPTH; i++)
		nbd_write(c->conn, client_req(c), data, 512, i * 512, 0);
}

/* Each request is used again from its own callback. */
static void run_on(struct client *c, struct client_req *r)
{
	if (++nr_run <= RUN_LEN - RUN_DEPTH)
		nbd_write(c->conn, &r->req, data, 512, nr_run * 512, 0);
	else if (nr_run == RUN_LEN)
		nbd_disconnect(c->conn);
}

static void test_long_run(void)
{
	struct client *c = run(serving_script, start_run, run_on, NULL);

	is_int(nr_run, RUN_LEN, "a long run of small writes: all answered");
	is_int(server.nr_requests, RUN_LEN, "each was sent once");
	is_int(c->err, 0, "and the end is no error");
	free(c);
}

/* --- leaving -------------------------------------------------------------- */

/* Goodbye at once: what has been asked is still carried out. */
static void many_then_leave(struct client *c)
{
	many_requests(c);
	nbd_disconnect(c->conn);
}

static void test_leave_is_last(void)
{
	struct client *c = run(serving_script, many_then_leave, NULL, NULL);

	ok(all_errs_are(c, 0) && c->err == 0,
	   "requests before the goodbye are carried out");
	is_int(server.nr_disc, 1, "then comes the goodbye");
	free(c);
}

/* --- splitting ------------------------------------------------------------ */

/* Replies in pairs, the second first; sums what it saw. */
static void splitting_script(struct script_server *s)
{
	uint64_t held = 0;
	bool is_held = false;

	image_sum = 0;
	script_greet(s);
	script_get_go(s);
	script_blocks(s, 1, 4096, 65536);
	script_export(s, 64 << 20, SCRIPT_ALL_FLAGS);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	while (script_request(s)) {
		uint32_t i;

		for (i = 0; i < s->last.len; i += 512)
			image_sum += s->payload[i] * (s->last.offset + i + 1);
		if (s->last.len > 65536)
			image_sum = 0;
		if (is_held) {
			script_reply(s, s->last.cookie, 0);
			script_reply(s, held, 0);
		}
		held = s->last.cookie;
		is_held = !is_held;
	}
}

#define SPLIT_LEN	(2 * 65536 * 20 - 4096)
#define SPLIT_OFFSET	(1 << 20)

static void one_big(struct client *c)
{
	nbd_write(c->conn, client_req(c), data, SPLIT_LEN, SPLIT_OFFSET, 0);
}

static void test_split(void)
{
	struct client *c;
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < SPLIT_LEN; i++)
		data[i] = i / 512 * 7 + 1;
	for (i = 0; i < SPLIT_LEN; i += 512)
		sum += data[i] * (uint64_t)(SPLIT_OFFSET + i + 1);
	c = run(splitting_script, one_big, leave_after_last, NULL);
	ok(all_errs_are(c, 0), "a large write has one callback");
	is_int(server.nr_requests, 40, "and goes as 40 commands");
	ok(image_sum == sum, "with all of its data, each byte once");
	free(c);
}

static void third_fails(struct script_server *s)
{
	unsigned int n = 0;

	script_greet(s);
	script_get_go(s);
	script_blocks(s, 1, 4096, 65536);
	script_export(s, 64 << 20, SCRIPT_ALL_FLAGS);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	while (script_request(s))
		script_reply(s, s->last.cookie, ++n == 3 ? NBD_ENOSPC : 0);
}

static void big_and_small(struct client *c)
{
	one_big(c);
	nbd_write(c->conn, client_req(c), data, 4096, 0, 0);
}

static void test_split_error(void)
{
	struct nbd_opts opts = { .depth = 2 };
	struct client *c = run(third_fails, big_and_small, leave_after_last,
			       &opts);

	ok(client_all_done(c) && c->reqs[0].err == -ENOSPC,
	   "an error in a part is the error of the whole");
	ok(server.nr_requests < 10, "the rest of it is not sent");
	ok(c->reqs[1].err == 0 && c->err == 0, "the next request goes on");
	free(c);
}

/* --- errors in replies ---------------------------------------------------- */

static const uint32_t wire_errors[] = { 1, 5, 12, 22, 28, 75, 95, 108, 4711 };
static const int our_errors[] = { -EPERM, -EIO, -ENOMEM, -EINVAL, -ENOSPC,
				  -EOVERFLOW, -EOPNOTSUPP, -ESHUTDOWN, -EIO };
#define NR_ERRORS	(sizeof(wire_errors) / sizeof(wire_errors[0]))

static void error_script(struct script_server *s)
{
	unsigned int i;

	script_negotiate(s);
	for (i = 0; i < NR_ERRORS && script_request(s); i++)
		script_reply(s, s->last.cookie, wire_errors[i]);
	script_serve(s);
}

static void error_requests(struct client *c)
{
	unsigned int i;

	for (i = 0; i < NR_ERRORS; i++) {
		if (i % 2)
			nbd_read(c->conn, client_req(c), data, 4096, 0);
		else
			nbd_write(c->conn, client_req(c), data, 4096, 0, 0);
	}
	nbd_read(c->conn, client_req(c), data, 4096, 0);
}

static void test_errors(void)
{
	struct client *c = run(error_script, error_requests, leave_after_last,
			       NULL);
	unsigned int i;

	for (i = 0; i < NR_ERRORS; i++)
		is_int(c->reqs[i].err, our_errors[i], "NBD error %u",
		       wire_errors[i]);
	ok(c->reqs[NR_ERRORS].err == 0 && c->err == 0 && client_all_done(c),
	   "the connection lives on");
	free(c);
}

/* --- buffers -------------------------------------------------------------- */

/* Q3 in nbd-request.c: the reply is there before the data could be sent. */
static void early_reply_script(struct script_server *s)
{
	script_negotiate(s);
	script_request_header(s);
	script_reply(s, s->last.cookie, 0);
	script_sleep_ms(200);
	atomic_store(&is_drained, true);
	script_recv(s, s->payload, s->last.len);
	script_serve(s);
}

static void write_8mib(struct client *c)
{
	nbd_write(c->conn, client_req(c), data, sizeof(data), 0, 0);
}

static void note_drained(struct client *c, struct client_req *r)
{
	r->client->nr_ready += atomic_load(&is_drained);
	nbd_disconnect(c->conn);
}

static void test_early_reply(void)
{
	struct client *c = run(early_reply_script, write_8mib, note_drained,
			       NULL);

	ok(all_errs_are(c, 0) && c->err == 0, "a reply that is early counts");
	is_int(c->nr_ready, 2, "but not before its data has been sent");
	free(c);
}

/* --- ends ----------------------------------------------------------------- */

static void abort_in_done(struct client *c, struct client_req *r)
{
	(void)r;
	nbd_abort(c->conn);
}

static void writes_and_abort(struct client *c)
{
	many_requests(c);
	write_8mib(c);
	nbd_abort(c->conn);
	nbd_abort(c->conn);
	nbd_disconnect(c->conn);
}

static void leave_at_once(struct client *c)
{
	nbd_disconnect(c->conn);
}

static void ask_again(struct client *c, struct client_req *r)
{
	(void)r;
	if (c->nr_started < CLIENT_REQS)
		nbd_flush(c->conn, client_req(c));
}

static void test_abort(void)
{
	struct client *c = run(serving_script, writes_and_abort, NULL, NULL);

	ok(all_errs_are(c, -ECANCELED) && c->err == -ECANCELED,
	   "abort: each request is cancelled, once");
	free(c);
	c = run(serving_script, many_requests, abort_in_done, NULL);
	ok(client_all_done(c) && c->err == -ECANCELED, "abort in a callback");
	free(c);
	c = run(serving_script, writes_and_abort, ask_again,
		NULL);
	ok(client_all_done(c) && c->nr_closed == 1,
	   "new requests in the callbacks of an aborted connection");
	free(c);
	c = run(serving_script, leave_at_once, NULL, NULL);
	ok(c->err == 0 && c->nr_closed == 1, "leave in ->ready");
	free(c);
}

/* Before the connection is there. */
static void test_early_ends(void)
{
	static const struct nbd_callbacks cbs = { client_ready,
						  client_closed };
	struct client *c = calloc(1, sizeof(*c));
	struct nbd_opts opts = { 0 };

	ring_create(&c->ring, NULL);
	nbd_connect(c->ring, "nbd://localhost:1/x", &opts, &cbs, c, &c->conn);
	nbd_flush(c->conn, client_req(c));
	nbd_abort(c->conn);
	ring_run(c->ring);
	ok(c->err == -ECANCELED && c->nr_closed == 1, "abort in the lookup");
	is_int(c->reqs[0].err, -ENOTCONN, "a request before ->ready");
	nbd_connect(c->ring, "nbd://127.0.0.1:1/x", &opts, &cbs, c, &c->conn);
	nbd_disconnect(c->conn);
	ring_run(c->ring);
	ok(c->err == 0 && c->nr_closed == 2, "leave in the connect");
	ring_destroy(c->ring);
	free(c);
}

/* --- addresses ------------------------------------------------------------ */

static void check_unreachable(const char *uri, int err, const char *text)
{
	struct client *c = calloc(1, sizeof(*c));

	client_run(c, uri, NULL);
	ok(c->err == err && c->nr_closed == 1 && strstr(c->text, text),
	   "%s", c->text);
	free(c);
}

static void test_addresses(void)
{
	check_unreachable("nbd://127.0.0.1:1/", -ECONNREFUSED, "refused");
	check_unreachable("nbd://[::1]:1/", -ECONNREFUSED, "refused");
	check_unreachable("nbd://localhost:1/vol", -ECONNREFUSED, "refused");
	check_unreachable("nbd://no-such-host.invalid/", -EHOSTUNREACH,
			  "no-such-host.invalid");
	check_unreachable("nbd+unix:///?socket=/no/such/socket", -ENOENT,
			  "No such file");
	check_unreachable("nbds://host/", -EINVAL, "TLS needs");
	check_unreachable("http://host/", -EINVAL, "http");
}

int main(void)
{
	test_limits();
	test_many();
	test_long_run();
	test_leave_is_last();
	test_split();
	test_split_error();
	test_errors();
	test_early_reply();
	test_abort();
	test_early_ends();
	test_addresses();
	return tap_done();
}

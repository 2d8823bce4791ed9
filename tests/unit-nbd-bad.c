/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NBD servers that refuse, lie, send garbage, or fall silent.  If this failed,
 * such a server could make the daemon hang, crash, believe in a write that
 * was never done, or call a request's callback twice or never.
 */
#include <endian.h>
#include <errno.h>
#include <stdint.h>

#include "nbd-client.h"
#include "nbd-script.h"
#include "tap.h"

#define SHORT_DEADLINE	2000	/* ms */

static struct script_server server;

/* --- the greeting --------------------------------------------------------- */

static void not_nbd(struct script_server *s)
{
	script_send(s, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 32);
	script_drain(s);
}

static void oldstyle(struct script_server *s)
{
	struct nbd_greeting msg = {
		.magic = htobe64(NBD_MAGIC),
		.opt_magic = htobe64(NBD_OLD_MAGIC),
	};

	script_send(s, &msg, sizeof(msg));
	script_drain(s);
}

static void not_fixed(struct script_server *s)
{
	struct nbd_greeting msg = {
		.magic = htobe64(NBD_MAGIC),
		.opt_magic = htobe64(NBD_OPT_MAGIC),
	};

	script_send(s, &msg, sizeof(msg));
	script_drain(s);
}

static void half_greeting(struct script_server *s)
{
	script_send(s, "NBDMAGICIH", 10);
}

static void hang_up(struct script_server *s)
{
	(void)s;
}

static void silent(struct script_server *s)
{
	script_drain(s);
}

/* --- the answer to GO ----------------------------------------------------- */

static void silent_after_greeting(struct script_server *s)
{
	script_greet(s);
	script_drain(s);
}

static void refuse(struct script_server *s, uint32_t type, const char *text)
{
	script_greet(s);
	script_get_go(s);
	script_opt(s, type, text, strlen(text));
	script_drain(s);
}

static void unknown_export(struct script_server *s)
{
	refuse(s, NBD_REP_ERR(6), "we have\nno vol");
}

static void policy(struct script_server *s)
{
	refuse(s, NBD_REP_ERR(2), "");
}

static void needs_tls(struct script_server *s)
{
	refuse(s, NBD_REP_ERR(5), "");
}

static void lacks_go(struct script_server *s)
{
	refuse(s, NBD_REP_ERR(1), "");
}

static void unknown_refusal(struct script_server *s)
{
	refuse(s, NBD_REP_ERR(777), "hm");
}

static void unknown_answer(struct script_server *s)
{
	refuse(s, 99, "");
}

static void empty_info(struct script_server *s)
{
	refuse(s, NBD_REP_INFO, "");
}

static void short_export_info(struct script_server *s)
{
	script_greet(s);
	script_get_go(s);
	script_opt(s, NBD_REP_INFO, "\0\0abc", 5);
	script_drain(s);
}

static void raw_answer(struct script_server *s, uint64_t magic, uint32_t option,
		       uint32_t len)
{
	struct nbd_opt_reply msg = {
		.magic = htobe64(magic),
		.option = htobe32(option),
		.type = htobe32(NBD_REP_INFO),
		.len = htobe32(len),
	};

	script_greet(s);
	script_get_go(s);
	script_send(s, &msg, sizeof(msg));
}

static void bad_answer_magic(struct script_server *s)
{
	raw_answer(s, 42, NBD_OPT_GO, 0);
	script_drain(s);
}

static void other_option(struct script_server *s)
{
	raw_answer(s, NBD_REP_MAGIC, 6, 0);
	script_drain(s);
}

static void oversize_answer(struct script_server *s)
{
	raw_answer(s, NBD_REP_MAGIC, NBD_OPT_GO, 3u << 30);
	script_drain(s);
}

static void half_answer(struct script_server *s)
{
	raw_answer(s, NBD_REP_MAGIC, NBD_OPT_GO, 12);
	script_send(s, "abc", 3);
}

static void endless_info(struct script_server *s)
{
	unsigned int i;

	script_greet(s);
	script_get_go(s);
	for (i = 0; i < 1000; i++)
		script_opt(s, NBD_REP_INFO, "\0\1name", 6);
	script_drain(s);
}

static void no_size(struct script_server *s)
{
	script_greet(s);
	script_get_go(s);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	script_drain(s);
}

static void huge_export(struct script_server *s)
{
	script_greet(s);
	script_get_go(s);
	script_export(s, UINT64_MAX, SCRIPT_ALL_FLAGS);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	script_drain(s);
}

static void bad_blocks(struct script_server *s, uint32_t min, uint32_t pref,
		       uint32_t max)
{
	script_greet(s);
	script_get_go(s);
	script_blocks(s, min, pref, max);
	script_drain(s);
}

static void odd_block_min(struct script_server *s)
{
	bad_blocks(s, 3, 4096, 1 << 20);
}

static void zero_block_min(struct script_server *s)
{
	bad_blocks(s, 0, 4096, 1 << 20);
}

static void small_block_max(struct script_server *s)
{
	bad_blocks(s, 4096, 4096, 512);
}

static void odd_block_max(struct script_server *s)
{
	bad_blocks(s, 4096, 4096, 10000);
}

/* --- replies -------------------------------------------------------------- */

static void garbage_reply(struct script_server *s)
{
	script_negotiate(s);
	script_request(s);
	script_send(s, "this is no reply", 16);
	script_drain(s);
}

static void unknown_handle(struct script_server *s)
{
	script_negotiate(s);
	script_request(s);
	script_reply(s, s->last.cookie + 1000, 0);
	script_drain(s);
}

static void stale_handle(struct script_server *s)
{
	script_negotiate(s);
	script_request(s);
	script_reply(s, s->last.cookie + (1ULL << 32), 0);
	script_drain(s);
}

static void twice(struct script_server *s)
{
	script_negotiate(s);
	script_request(s);
	script_reply(s, s->last.cookie, 0);
	script_reply(s, s->last.cookie, 0);
	script_drain(s);
}

static void unasked(struct script_server *s)
{
	script_negotiate(s);
	script_reply(s, 0, 0);
	script_drain(s);
}

/* As the one before, when a request is on the wire for certain. */
static void empty_handle(struct script_server *s)
{
	script_negotiate(s);
	script_request(s);
	script_reply(s, 0, 0);
	script_drain(s);
}

static void half_reply(struct script_server *s)
{
	uint32_t magic = htobe32(NBD_SIMPLE_REPLY_MAGIC);

	script_negotiate(s);
	script_request(s);
	script_send(s, &magic, 4);
}

static void half_reply_silent(struct script_server *s)
{
	half_reply(s);
	script_drain(s);
}

static void never_answers(struct script_server *s)
{
	script_negotiate(s);
	script_drain(s);
}

static void never_reads(struct script_server *s)
{
	script_negotiate(s);
	script_sleep_ms(2 * SHORT_DEADLINE);
}

static void hang_up_later(struct script_server *s)
{
	script_negotiate(s);
	script_request(s);
	script_reply(s, s->last.cookie, 0);
}

static void hang_up_in_send(struct script_server *s)
{
	script_negotiate(s);
	script_request_header(s);
}

static void half_read_data(struct script_server *s)
{
	script_negotiate(s);
	while (script_request(s) && s->last.command != NBD_CMD_READ)
		script_reply(s, s->last.cookie, 0);
	script_reply(s, s->last.cookie, 0);
	script_send(s, s->payload, 1000);
}

/* --- the cases ------------------------------------------------------------ */

enum load { WRITES, BIG_WRITE, READS };

static uint8_t data[8 << 20];

static const struct bad_case {
	const char *claim;
	void (*script)(struct script_server *s);
	int err;
	const char *text;	/* is part of the message */
	enum load load;
} cases[] = {
	{ "another protocol", not_nbd, -EPROTO, "no NBD server", 0 },
	{ "oldstyle", oldstyle, -EPROTONOSUPPORT, "oldstyle", 0 },
	{ "newstyle that is not fixed", not_fixed, -EPROTONOSUPPORT,
	  "fixed newstyle", 0 },
	{ "half a greeting", half_greeting, -ECONNRESET, "negotiation", 0 },
	{ "hangs up at once", hang_up, -ECONNRESET, "negotiation", 0 },
	{ "silent from the start", silent, -ETIMEDOUT, "2000 ms", 0 },
	{ "silent after the greeting", silent_after_greeting, -ETIMEDOUT,
	  "negotiation", 0 },
	{ "unknown export", unknown_export, -ENOENT,
	  "no such export (we have no vol)", 0 },
	{ "policy", policy, -EPERM, "policy", 0 },
	{ "TLS required", needs_tls, -EPROTONOSUPPORT, "TLS", 0 },
	{ "no OPT_GO", lacks_go, -EPROTONOSUPPORT, "NBD_OPT_GO", 0 },
	{ "refusal of an unknown kind", unknown_refusal, -EPROTO,
	  "0x80000309 (hm)", 0 },
	{ "unknown answer", unknown_answer, -EPROTO, "no sense", 0 },
	{ "empty information", empty_info, -EPROTO, "no sense", 0 },
	{ "short export information", short_export_info, -EPROTO,
	  "no sense", 0 },
	{ "wrong magic in an answer", bad_answer_magic, -EPROTO,
	  "no sense", 0 },
	{ "answer to another option", other_option, -EPROTO, "no sense", 0 },
	{ "answer of 3 GiB", oversize_answer, -EPROTO, "3221225472 bytes", 0 },
	{ "half an answer", half_answer, -ECONNRESET, "negotiation", 0 },
	{ "information without end", endless_info, -EPROTO,
	  "does not end", 0 },
	{ "no size", no_size, -EPROTO, "size of the export", 0 },
	{ "size of 16 EiB", huge_export, -EPROTO, "18446744073709551615", 0 },
	{ "minimum block of 3", odd_block_min, -EPROTO, "block sizes of 3", 0 },
	{ "minimum block of 0", zero_block_min, -EPROTO,
	  "block sizes of 0", 0 },
	{ "maximum below minimum", small_block_max, -EPROTO, "512 bytes", 0 },
	{ "maximum no multiple of minimum", odd_block_max, -EPROTO,
	  "10000 bytes", 0 },
	{ "garbage for a reply", garbage_reply, -EPROTO, "not NBD", WRITES },
	{ "unknown handle", unknown_handle, -EPROTO, "unknown handle", WRITES },
	{ "handle of another time", stale_handle, -EPROTO, "unknown handle",
	  WRITES },
	{ "two replies to one request", twice, -EPROTO, "unknown handle",
	  WRITES },
	{ "reply before any request", unasked, -EPROTO, "unknown handle",
	  WRITES },
	{ "reply with an empty handle", empty_handle, -EPROTO,
	  "unknown handle", WRITES },
	{ "half a reply, hangs up", half_reply, -ECONNRESET, "mid-reply",
	  WRITES },
	{ "half a reply, silent", half_reply_silent, -ETIMEDOUT,
	  "write of 4096 bytes at 0 within 2000 ms", WRITES },
	{ "never answers", never_answers, -ETIMEDOUT,
	  "write of 4096 bytes at 0 within 2000 ms", WRITES },
	{ "never answers a read", never_answers, -ETIMEDOUT,
	  "read of 65536 bytes at 0", READS },
	{ "never reads", never_reads, -ETIMEDOUT, "write of 8388608 bytes",
	  BIG_WRITE },
	{ "hangs up with requests open", hang_up_later, -ECONNRESET,
	  "closed the connection", WRITES },
	{ "hangs up in the middle of our send", hang_up_in_send, -ECONNRESET,
	  "closed the connection", BIG_WRITE },
	{ "half of a read's data, hangs up", half_read_data, -ECONNRESET,
	  "mid-reply", READS },
};

static const struct bad_case *current;

static void make_load(struct client *c)
{
	unsigned int i;

	if (current->load == BIG_WRITE) {
		nbd_write(c->conn, client_req(c), data, sizeof(data), 0, 0);
		nbd_write(c->conn, client_req(c), data, 4096, 0, 0);
		return;
	}
	for (i = 0; i < 10; i++) {
		if (current->load == READS)
			nbd_read(c->conn, client_req(c), data + i * 65536,
				 65536, i * 65536);
		else
			nbd_write(c->conn, client_req(c), data, 4096,
				  i * 4096, 0);
	}
}

/* Who hangs up may be noticed in a send, before the rest could be read. */
static bool broke_in_send(const struct client *c)
{
	return (c->err == -EPIPE || c->err == -ECONNRESET) &&
	       (strstr(c->text, "broke in a send") || strstr(c->text, "send:"));
}

static bool is_as_expected(const struct client *c, const struct bad_case *bad)
{
	if (c->err == bad->err && strstr(c->text, bad->text))
		return true;
	return bad->err == -ECONNRESET && c->nr_started && broke_in_send(c);
}

static void check_case(const struct bad_case *bad)
{
	struct client *c = calloc(1, sizeof(*c));
	struct nbd_opts opts = {
		.deadline_ms = bad->err == -ETIMEDOUT ? SHORT_DEADLINE : 0,
	};

	current = bad;
	c->on_ready = make_load;
	if (script_start(&server, bad->script))
		abort();
	client_run(c, server.uri, &opts);
	script_end(&server);
	ok(c->nr_closed == 1 && !c->is_hung && is_as_expected(c, bad) &&
	   !strncmp(c->text, server.uri, strlen(server.uri)),
	   "%s: %s", bad->claim, c->text);
	ok(client_all_done(c), "%s: one callback for each request", bad->claim);
	free(c);
}

/* --- noise ---------------------------------------------------------------- */

static void noise(struct script_server *s, size_t len)
{
	unsigned int seed = s->number;
	uint8_t bytes[4096];
	size_t i;

	for (i = 0; i < len; i++)
		bytes[i] = rand_r(&seed) >> 8;
	script_send(s, bytes, len);
}

static void noisy_negotiation(struct script_server *s)
{
	script_greet(s);
	script_get_go(s);
	noise(s, 1 + s->number % 400);
}

/* The start of a good answer, then noise. */
static void noisy_info(struct script_server *s)
{
	raw_answer(s, NBD_REP_MAGIC, NBD_OPT_GO, s->number % 32);
	noise(s, 200);
}

static void noisy_replies(struct script_server *s)
{
	script_negotiate(s);
	script_request(s);
	script_reply(s, s->last.cookie, s->number);
	noise(s, 1 + s->number % 100);
}

static void check_noise(void (*script)(struct script_server *s),
			const char *claim)
{
	static const struct bad_case writes = { .load = WRITES };
	struct nbd_opts opts = { .deadline_ms = SHORT_DEADLINE };
	unsigned int i, nr_bad = 0;

	current = &writes;
	for (i = 0; i < 100; i++) {
		struct client *c = calloc(1, sizeof(*c));

		c->on_ready = make_load;
		if (script_start(&server, script))
			abort();
		server.number = i;
		client_run(c, server.uri, &opts);
		script_end(&server);
		nr_bad += c->is_hung || c->nr_closed != 1 || !c->err ||
			  !client_all_done(c);
		free(c);
	}
	is_int(nr_bad, 0, "%s: refused each time", claim);
}

int main(void)
{
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case(&cases[i]);
	check_noise(noisy_negotiation, "noise for an answer");
	check_noise(noisy_info, "noise for information");
	check_noise(noisy_replies, "noise for replies");
	return tap_done();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Servers, and men in the middle, that do not want TLS.  If this failed, a
 * volume could go in clear over a wire that was to be secret, or such a peer
 * could hang the daemon.
 */
#include <endian.h>
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "nbd-client.h"
#include "nbd-script.h"
#include "tap.h"

#define SHORT_DEADLINE	2000	/* ms */

static struct script_server server;
static char uri[512], key[] = "/tmp/unit-nbd-tls-XXXXXX";
/* What came in clear after STARTTLS: of a TLS record, or anything else. */
static size_t nr_after;
static uint8_t after[64];

static void answer(struct script_server *s, uint32_t option, uint32_t type,
		   const char *text)
{
	struct nbd_opt_reply msg = {
		.magic = htobe64(NBD_REP_MAGIC),
		.option = htobe32(option),
		.type = htobe32(type),
		.len = htobe32(strlen(text)),
	};

	script_send(s, &msg, sizeof(msg));
	script_send(s, text, strlen(text));
}

static void begin(struct script_server *s, uint32_t option, uint32_t type,
		  const char *text)
{
	struct nbd_opt_first first;

	script_greet(s);
	if (!script_recv(s, &first, sizeof(first)) ||
	    be32toh(first.option) != NBD_OPT_STARTTLS)
		return;
	answer(s, option, type, text);
}

/* The text of an NBD request must never be seen. */
static bool is_clean(void)
{
	return !nr_after || after[0] == 0x16;
}

/* The first bytes that come, and then nothing but reading. */
static void watch(struct script_server *s)
{
	while (nr_after < sizeof(after) && is_clean() &&
	       script_recv(s, after + nr_after, 1))
		nr_after++;
	if (is_clean())
		script_drain(s);
}

/* Before anything else is sent: the client is in its handshake. */
static void see_hello(struct script_server *s)
{
	nr_after = script_recv(s, after, 1);
}

static void policy(struct script_server *s)
{
	begin(s, NBD_OPT_STARTTLS, NBD_REP_ERR(2), "not here");
	watch(s);
}

static void unknown_option(struct script_server *s)
{
	begin(s, NBD_OPT_STARTTLS, NBD_REP_ERR(1), "");
	watch(s);
}

static void long_refusal(struct script_server *s)
{
	char text[8000];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	begin(s, NBD_OPT_STARTTLS, NBD_REP_ERR(2), text);
	watch(s);
}

static void answers_go(struct script_server *s)
{
	begin(s, NBD_OPT_GO, NBD_REP_ACK, "");
	watch(s);
}

static void information(struct script_server *s)
{
	begin(s, NBD_OPT_STARTTLS, NBD_REP_INFO, "xx");
	watch(s);
}

/* One send, so that it is in the client's buffer when TLS begins. */
static void injects(struct script_server *s)
{
	struct nbd_opt_first first;
	struct {
		struct nbd_opt_reply tls, go;
	} __attribute__((packed)) both = { 0 };

	script_greet(s);
	script_recv(s, &first, sizeof(first));
	both.tls.magic = both.go.magic = htobe64(NBD_REP_MAGIC);
	both.tls.option = htobe32(NBD_OPT_STARTTLS);
	both.go.option = htobe32(NBD_OPT_GO);
	both.tls.type = both.go.type = htobe32(NBD_REP_ACK);
	script_send(s, &both, sizeof(both));
	watch(s);
}

static void clear_after_ack(struct script_server *s)
{
	begin(s, NBD_OPT_STARTTLS, NBD_REP_ACK, "");
	see_hello(s);
	answer(s, NBD_OPT_GO, NBD_REP_ACK, "");
	watch(s);
}

static void silent_after_ack(struct script_server *s)
{
	begin(s, NBD_OPT_STARTTLS, NBD_REP_ACK, "");
	watch(s);
}

static void half_record(struct script_server *s)
{
	begin(s, NBD_OPT_STARTTLS, NBD_REP_ACK, "");
	see_hello(s);
	script_send(s, "\x16\x03\x03\x40\x00\x02", 6);
	watch(s);
}

static void hangs_up(struct script_server *s)
{
	begin(s, NBD_OPT_STARTTLS, NBD_REP_ACK, "");
	script_recv(s, after, sizeof(after));
	nr_after = sizeof(after);
}

static void alert(struct script_server *s)
{
	begin(s, NBD_OPT_STARTTLS, NBD_REP_ACK, "");
	see_hello(s);
	script_send(s, "\x15\x03\x03\x00\x02\x02\x28", 7);
	watch(s);
}

static const struct bad_case {
	const char *claim;
	void (*script)(struct script_server *s);
	int err;
	const char *text;
} cases[] = {
	{ "refused by policy", policy, -EPROTONOSUPPORT,
	  "does not offer TLS (not here): nothing is sent in clear" },
	{ "option unknown", unknown_option, -EPROTONOSUPPORT,
	  "does not offer TLS: nothing" },
	{ "a refusal of 8000 bytes", long_refusal, -EPROTONOSUPPORT,
	  "does not offer TLS (xxxx" },
	{ "ACK to another option", answers_go, -EPROTO, "NBD_OPT_STARTTLS" },
	{ "information for an ACK", information, -EPROTONOSUPPORT,
	  "does not offer TLS" },
	{ "clear text with the ACK", injects, -EPROTO, "goes on in clear" },
	{ "clear text for a handshake", clear_after_ack, -EKEYREJECTED,
	  "TLS" },
	{ "silent in the handshake", silent_after_ack, -ETIMEDOUT,
	  "negotiation within 2000 ms" },
	{ "half a record", half_record, -ETIMEDOUT, "negotiation" },
	{ "hangs up in the handshake", hangs_up, -EKEYREJECTED, "same key" },
	{ "an alert", alert, -EKEYREJECTED, "Handshake failed" },
};

static void check_case(const struct bad_case *bad)
{
	struct client *c = calloc(1, sizeof(*c));
	struct nbd_opts opts = {
		.deadline_ms = bad->err == -ETIMEDOUT ? SHORT_DEADLINE : 0,
	};

	nr_after = 0;
	if (script_start(&server, bad->script))
		abort();
	snprintf(uri, sizeof(uri), "nbds+unix://user@/vol%s&tls-psk-file=%s",
		 strchr(server.uri, '?'), key);
	client_run(c, uri, &opts);
	script_end(&server);
	ok(c->nr_closed == 1 && !c->nr_ready && !c->is_hung &&
	   c->err == bad->err && strstr(c->text, bad->text), "%s: %s",
	   bad->claim, c->text);
	ok(is_clean(), "%s: nothing came in clear (%zu bytes)", bad->claim,
	   nr_after);
	free(c);
}

static void write_key(void)
{
	FILE *f = fopen(key, "w");

	if (!f)
		abort();
	fputs("# a comment\nuser:00112233445566778899aabbccddeeff\n", f);
	fclose(f);
}

int main(void)
{
	int fd = mkstemp(key);
	size_t i;

	if (fd < 0)
		return 1;
	close(fd);
	write_key();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		check_case(&cases[i]);
	unlink(key);
	return tap_done();
}

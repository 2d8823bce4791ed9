/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The negotiation: fixed newstyle, as a chain of steps, each of which looks at
 * one message of the server. One question after the other is asked, each one
 * option: INFO, and at last GO.
 *
 *	greeting -> [STARTTLS is sent] -> reply header -> reply data: the text
 *	of a refusal; ACK -> TLS handshake (nbd-tls.c) -> the first question
 *
 *	greeting -> [option is sent] -> reply header -> reply data
 *	            ^  ^                    |             |
 *	            |  |                    +--- INFO ----+
 *	            |  +--- next reply <------------------+
 *	            '------ ACK of INFO, or its refusal: the next question
 *	ACK of GO -> ready; its refusal, or nonsense at any time -> nbd_fail()
 *
 * A server may send any number of INFO replies; we take MAX_OPT_REPLIES.
 *
 * G1  Where the URI asks for TLS, GO and all that follows is sent in TLS, or
 *     not at all: whatever is answered to STARTTLS but an ACK is the end.
 */
#include "nbd-private.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPT_REPLIES		64
#define DEFAULT_BLOCK_MAX	(32u << 20)	/* where the server is silent */
#define MAX_BLOCK_MIN		(64u << 10)	/* the protocol's */

static int step_reply(struct nbd_conn *conn, const void *data);

static int step_tls_reply(struct nbd_conn *conn, const void *data);

static int protocol_error(struct nbd_conn *conn, const char *what)
{
	return nbd_fail(conn, -EPROTO, "the server's %s makes no sense", what);
}

/* --- greeting ------------------------------------------------------------- */

static uint32_t option_of(const struct nbd_conn *conn)
{
	return conn->question == NBD_OPEN ? NBD_OPT_GO : NBD_OPT_INFO;
}

static int out_of_memory(struct nbd_conn *conn)
{
	return nbd_fail(conn, -ENOMEM, "out of memory");
}

static struct nbd_opt_go *make_option(struct nbd_conn *conn, const char *name,
				      const char *suffix, size_t *len)
{
	uint16_t info = conn->question == NBD_ASK_NAME ? NBD_INFO_NAME :
							 NBD_INFO_BLOCK_SIZE;
	const uint16_t infos[] = { htobe16(1), htobe16(info) };
	size_t head = strlen(name), tail = strlen(suffix);
	struct nbd_opt_go *go;

	*len = sizeof(*go) + head + tail + sizeof(infos);
	go = malloc(*len);
	if (!go)
		return NULL;
	go->client_flags = htobe32(NBD_FLAG_FIXED_NEWSTYLE |
				   NBD_FLAG_NO_ZEROES);
	go->opt_magic = htobe64(NBD_OPT_MAGIC);
	go->option = htobe32(option_of(conn));
	go->len = htobe32(4 + head + tail + sizeof(infos));
	go->name_len = htobe32(head + tail);
	memcpy(go->name, name, head);
	memcpy(go->name + head, suffix, tail);
	memcpy(go->name + head + tail, infos, sizeof(infos));
	return go;
}

static const char *server_name(const struct nbd_conn *conn)
{
	return conn->canonical ? conn->canonical : conn->export;
}

/* What stands before the option is sent once. */
static int send_question(struct nbd_conn *conn)
{
	bool is_sibling = conn->question == NBD_ASK_SIBLING;
	size_t len, skip = conn->nr_questions++ ?
			   offsetof(struct nbd_opt_go, opt_magic) : 0;
	struct nbd_opt_go *go = make_option(conn, is_sibling ?
					    server_name(conn) : conn->export,
					    is_sibling ?
					    conn->opts.ask_suffix : "", &len);

	if (!go)
		return out_of_memory(conn);
	free(conn->hello);
	conn->hello = (uint8_t *)go;
	conn->nr_opt_replies = 0;
	nbd_tx_add(&conn->tx, conn->hello + skip, len - skip);
	nbd_send(conn);
	return 0;
}

static int send_starttls(struct nbd_conn *conn)
{
	struct nbd_opt_first *opt = malloc(sizeof(*opt));

	if (!opt)
		return out_of_memory(conn);
	opt->client_flags = htobe32(NBD_FLAG_FIXED_NEWSTYLE |
				    NBD_FLAG_NO_ZEROES);
	opt->opt_magic = htobe64(NBD_OPT_MAGIC);
	opt->option = htobe32(NBD_OPT_STARTTLS);
	opt->len = 0;
	conn->hello = (uint8_t *)opt;
	conn->nr_questions++;
	nbd_tx_add(&conn->tx, opt, sizeof(*opt));
	nbd_send(conn);
	return 0;
}

static bool is_wanted(const struct nbd_conn *conn, enum nbd_question question)
{
	if (question == NBD_ASK_NAME)
		return conn->opts.ask_suffix && !*conn->export;
	if (question == NBD_ASK_SIBLING)
		return conn->opts.ask_suffix && *server_name(conn);
	return true;
}

static int ask(struct nbd_conn *conn, enum nbd_question question)
{
	while (!is_wanted(conn, question))
		question++;
	conn->question = question;
	conn->is_question_due = conn->tx.op.pending;
	return conn->is_question_due ? 0 : send_question(conn);
}

void nbd_negotiate_sent(struct nbd_conn *conn)
{
	if (conn->is_question_due)
		send_question(conn);
	conn->is_question_due = false;
}

int nbd_negotiate_in_tls(struct nbd_conn *conn)
{
	nbd_expect(conn, sizeof(struct nbd_opt_reply), NULL, step_reply);
	return ask(conn, NBD_ASK_NAME);
}

static int step_greeting(struct nbd_conn *conn, const void *data)
{
	const struct nbd_greeting *msg = data;
	uint64_t opt_magic = be64toh(msg->opt_magic);
	uint16_t wanted = NBD_FLAG_FIXED_NEWSTYLE | NBD_FLAG_NO_ZEROES;

	if (be64toh(msg->magic) != NBD_MAGIC)
		return nbd_fail(conn, -EPROTO, "this is no NBD server");
	if (opt_magic == NBD_OLD_MAGIC)
		return nbd_fail(conn, -EPROTONOSUPPORT, "the server speaks "
				"the oldstyle protocol only");
	if (opt_magic != NBD_OPT_MAGIC)
		return protocol_error(conn, "greeting");
	if ((be16toh(msg->flags) & wanted) != wanted)
		return nbd_fail(conn, -EPROTONOSUPPORT, "the server does not "
				"speak the fixed newstyle protocol");
	if (conn->uri.is_tls) {
		nbd_expect(conn, sizeof(struct nbd_opt_reply), NULL,
			   step_tls_reply);
		return send_starttls(conn);
	}
	nbd_expect(conn, sizeof(struct nbd_opt_reply), NULL, step_reply);
	return ask(conn, NBD_ASK_NAME);
}

/* --- INFO ----------------------------------------------------------------- */

static int info_export(struct nbd_conn *conn, const void *data, size_t len)
{
	const struct nbd_info_export *msg = data;
	struct nbd_info *info = &conn->info;
	uint16_t flags;

	if (len != sizeof(*msg))
		return protocol_error(conn, "export information");
	info->size = be64toh(msg->size);
	if (info->size > INT64_MAX)
		return nbd_fail(conn, -EPROTO, "an export of %" PRIu64
				" bytes makes no sense", info->size);
	flags = be16toh(msg->flags);
	if (!(flags & NBD_FLAG_HAS_FLAGS))
		flags = 0;
	info->is_read_only = flags & NBD_FLAG_READ_ONLY;
	info->can_flush = flags & NBD_FLAG_SEND_FLUSH;
	info->can_fua = flags & NBD_FLAG_SEND_FUA;
	info->can_write_zeroes = flags & NBD_FLAG_SEND_WRITE_ZEROES;
	info->can_fast_zero = flags & NBD_FLAG_SEND_FAST_ZERO;
	info->can_multi_conn = flags & NBD_FLAG_CAN_MULTI_CONN;
	info->is_rotational = flags & NBD_FLAG_ROTATIONAL;
	conn->has_export_info = true;
	return 0;
}

static bool are_sane(uint32_t min, uint32_t pref, uint32_t max)
{
	return min && !(min & (min - 1)) && min <= MAX_BLOCK_MIN &&
	       pref >= min && max >= min &&
	       (max == UINT32_MAX || max % min == 0);
}

static int info_block_size(struct nbd_conn *conn, const void *data, size_t len)
{
	const struct nbd_info_block_size *msg = data;
	struct nbd_info *info = &conn->info;

	if (len != sizeof(*msg))
		return protocol_error(conn, "block size information");
	info->block_min = be32toh(msg->min);
	info->block_pref = be32toh(msg->pref);
	info->block_max = be32toh(msg->max);
	if (!are_sane(info->block_min, info->block_pref, info->block_max))
		return nbd_fail(conn, -EPROTO, "block sizes of %u, %u, %u bytes "
				"(minimum, preferred, maximum) make no sense",
				info->block_min, info->block_pref,
				info->block_max);
	if (info->block_max > DEFAULT_BLOCK_MAX)
		info->block_max = DEFAULT_BLOCK_MAX;
	return 0;
}

static int info_name(struct nbd_conn *conn, const void *msg, size_t len)
{
	const char *name = (const char *)msg + sizeof(uint16_t);
	size_t name_len = len - sizeof(uint16_t);

	if (name_len > NBD_MAX_NAME || memchr(name, 0, name_len))
		return protocol_error(conn, "name of the export");
	free(conn->canonical);
	conn->canonical = strndup(name, name_len);
	return conn->canonical ? 0 : out_of_memory(conn);
}

static int info_sibling(struct nbd_conn *conn, const void *data, size_t len)
{
	const struct nbd_info_export *msg = data;
	struct nbd_sibling *sibling = &conn->info.sibling;

	if (len != sizeof(*msg))
		return protocol_error(conn, "export information");
	sibling->exists = true;
	sibling->size = be64toh(msg->size);
	sibling->is_read_only = be16toh(msg->flags) & NBD_FLAG_READ_ONLY;
	return 0;
}

/* Which piece of information is used in which answer. */
static const struct {
	enum nbd_question question;
	uint16_t type;
	int (*take)(struct nbd_conn *conn, const void *data, size_t len);
} infos_taken[] = {
	{ NBD_ASK_NAME, NBD_INFO_NAME, info_name },
	{ NBD_ASK_SIBLING, NBD_INFO_EXPORT, info_sibling },
	{ NBD_OPEN, NBD_INFO_EXPORT, info_export },
	{ NBD_OPEN, NBD_INFO_BLOCK_SIZE, info_block_size },
};

static int reply_info(struct nbd_conn *conn, const uint8_t *data, size_t len)
{
	uint16_t type;

	if (len < sizeof(type))
		return protocol_error(conn, "information");
	memcpy(&type, data, sizeof(type));
	for (size_t i = 0; i < sizeof(infos_taken) / sizeof(infos_taken[0]);
	     i++)
		if (infos_taken[i].question == conn->question &&
		    infos_taken[i].type == be16toh(type))
			return infos_taken[i].take(conn, data, len);
	return 0;
}

/* --- errors --------------------------------------------------------------- */

static const struct refusal {
	uint32_t type;
	int err;
	const char *text;
} refusals[] = {
	{ NBD_REP_ERR(1), -EPROTONOSUPPORT, "the server lacks NBD_OPT_GO" },
	{ NBD_REP_ERR(2), -EPERM, "refused by the server's policy" },
	{ NBD_REP_ERR(3), -EINVAL, "the server finds our request invalid" },
	{ NBD_REP_ERR(4), -EOPNOTSUPP, "not supported by the server's system" },
	{ NBD_REP_ERR(5), -EPROTONOSUPPORT, "the server requires TLS" },
	{ NBD_REP_ERR(6), -ENOENT, "no such export" },
	{ NBD_REP_ERR(7), -ESHUTDOWN, "the server is shutting down" },
	{ NBD_REP_ERR(8), -EPROTO, "the server requires block sizes" },
	{ NBD_REP_ERR(9), -E2BIG, "our request is too large for the server" },
};

/* What the server says for itself, fit to be shown. */
static void server_text(char *out, size_t size, const uint8_t *data,
			size_t len)
{
	size_t i, n = len < size - 1 ? len : size - 1;

	for (i = 0; i < n; i++)
		out[i] = data[i] < ' ' || data[i] == 127 ? ' ' : data[i];
	out[n] = '\0';
}

static int reply_error(struct nbd_conn *conn, const uint8_t *data, size_t len)
{
	uint32_t type = conn->opt_reply.type;
	char text[128];
	size_t i;

	server_text(text, sizeof(text), data, len);
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (refusals[i].type == type)
			return nbd_fail(conn, refusals[i].err, "%s%s%s%s",
					refusals[i].text, len ? " (" : "",
					text, len ? ")" : "");
	return nbd_fail(conn, -EPROTO, "refused, with the unknown code %#x "
			"(%s)", type, text);
}

/* --- replies -------------------------------------------------------------- */

static int reply_ack(struct nbd_conn *conn)
{
	if (conn->question != NBD_OPEN)
		return ask(conn, conn->question + 1);
	if (!conn->has_export_info)
		return nbd_fail(conn, -EPROTO, "the server has not told the "
				"size of the export");
	conn->info.export = server_name(conn);
	nbd_requests_start(conn);
	return 0;
}

/* No error: a server need not know the question, nor have such an export. */
static int question_refused(struct nbd_conn *conn)
{
	conn->info.sibling.exists = false;
	return ask(conn, conn->question + 1);
}

static const char *answer(const struct nbd_conn *conn)
{
	return conn->question == NBD_OPEN ? "answer to NBD_OPT_GO" :
					    "answer to NBD_OPT_INFO";
}

static int step_reply_data(struct nbd_conn *conn, const void *data)
{
	const struct nbd_opt_reply *reply = &conn->opt_reply;

	nbd_expect(conn, sizeof(struct nbd_opt_reply), NULL, step_reply);
	if (reply->type & NBD_REP_FLAG_ERROR)
		return conn->question == NBD_OPEN ?
		       reply_error(conn, data, reply->len) :
		       question_refused(conn);
	switch (reply->type) {
	case NBD_REP_ACK:
		return reply_ack(conn);
	case NBD_REP_INFO:
		return reply_info(conn, data, reply->len);
	default:
		return protocol_error(conn, answer(conn));
	}
}

/* Into conn->opt_reply: what is answered to @option. */
static int take_reply(struct nbd_conn *conn, const void *data, uint32_t option,
		      const char *name)
{
	const struct nbd_opt_reply *msg = data;
	struct nbd_opt_reply *reply = &conn->opt_reply;

	reply->type = be32toh(msg->type);
	reply->len = be32toh(msg->len);
	if (be64toh(msg->magic) != NBD_REP_MAGIC ||
	    be32toh(msg->option) != option)
		return protocol_error(conn, name);
	if (reply->len > NBD_MAX_OPT_REPLY)
		return nbd_fail(conn, -EPROTO, "an option reply of %u bytes "
				"makes no sense", reply->len);
	return 0;
}

/* G1 */
static int step_tls_reply_data(struct nbd_conn *conn, const void *data)
{
	const struct nbd_opt_reply *reply = &conn->opt_reply;
	char text[128];

	if (reply->type == NBD_REP_ACK)
		return nbd_tls_start(conn);
	server_text(text, sizeof(text), data, reply->len);
	return nbd_fail(conn, -EPROTONOSUPPORT, "the server does not offer TLS"
			"%s%s%s: nothing is sent in clear", reply->len ?
			" (" : "", text, reply->len ? ")" : "");
}

static int step_tls_reply(struct nbd_conn *conn, const void *data)
{
	int ret = take_reply(conn, data, NBD_OPT_STARTTLS,
			     "answer to NBD_OPT_STARTTLS");

	if (ret)
		return ret;
	if (!conn->opt_reply.len)
		return step_tls_reply_data(conn, data);
	nbd_expect(conn, conn->opt_reply.len, NULL, step_tls_reply_data);
	return 0;
}

static int step_reply(struct nbd_conn *conn, const void *data)
{
	const struct nbd_opt_reply *reply = &conn->opt_reply;
	int ret = take_reply(conn, data, option_of(conn), answer(conn));

	if (ret)
		return ret;
	if (++conn->nr_opt_replies > MAX_OPT_REPLIES)
		return nbd_fail(conn, -EPROTO,
				"the server's information does not end");
	if (!reply->len)
		return step_reply_data(conn, data);
	nbd_expect(conn, reply->len, NULL, step_reply_data);
	return 0;
}

void nbd_negotiate(struct nbd_conn *conn)
{
	conn->state = NBD_NEGOTIATING;
	conn->info.block_min = 1;
	conn->info.block_pref = 4096;
	conn->info.block_max = DEFAULT_BLOCK_MAX;
	nbd_expect(conn, sizeof(struct nbd_greeting), NULL, step_greeting);
	ring_recv(conn->ring, &conn->recv, conn->fd);
}

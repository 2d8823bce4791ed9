/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The negotiation: fixed newstyle, one option (GO), as a chain of steps, each
 * of which looks at one message of the server.
 *
 *	greeting -> [STARTTLS is sent] -> reply header -> reply data: the text
 *	of a refusal; ACK -> TLS handshake (nbd-tls.c) -> GO
 *
 *	greeting -> [GO is sent] -> reply header -> reply data
 *	            ^                    |             |
 *	            |                    +--- INFO ----+
 *	            +--- next reply <------------------+
 *	reply ACK -> ready; reply with an error, or nonsense -> nbd_fail()
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

static int send_go(struct nbd_conn *conn)
{
	size_t name_len = strlen(conn->uri.export);
	size_t len = sizeof(struct nbd_opt_go) + name_len + 4;
	const uint16_t infos[] = { htobe16(1), htobe16(NBD_INFO_BLOCK_SIZE) };
	struct nbd_opt_go *go = malloc(len);

	if (!go)
		return nbd_fail(conn, -ENOMEM, "out of memory");
	go->client_flags = htobe32(NBD_FLAG_FIXED_NEWSTYLE |
				   NBD_FLAG_NO_ZEROES);
	go->opt_magic = htobe64(NBD_OPT_MAGIC);
	go->option = htobe32(NBD_OPT_GO);
	go->len = htobe32(4 + name_len + sizeof(infos));
	go->name_len = htobe32(name_len);
	memcpy(go->name, conn->uri.export, name_len);
	memcpy(go->name + name_len, infos, sizeof(infos));
	free(conn->hello);
	conn->hello = (uint8_t *)go;
	if (conn->tls)
		nbd_tx_add(&conn->tx, &go->opt_magic, len - 4);
	else
		nbd_tx_add(&conn->tx, go, len);
	nbd_send(conn);
	return 0;
}

static int send_starttls(struct nbd_conn *conn)
{
	struct nbd_opt_first *opt = malloc(sizeof(*opt));

	if (!opt)
		return nbd_fail(conn, -ENOMEM, "out of memory");
	opt->client_flags = htobe32(NBD_FLAG_FIXED_NEWSTYLE |
				    NBD_FLAG_NO_ZEROES);
	opt->opt_magic = htobe64(NBD_OPT_MAGIC);
	opt->option = htobe32(NBD_OPT_STARTTLS);
	opt->len = 0;
	conn->hello = (uint8_t *)opt;
	nbd_tx_add(&conn->tx, opt, sizeof(*opt));
	nbd_send(conn);
	return 0;
}

int nbd_negotiate_in_tls(struct nbd_conn *conn)
{
	nbd_expect(conn, sizeof(struct nbd_opt_reply), NULL, step_reply);
	return send_go(conn);
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
	return send_go(conn);
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

static int reply_info(struct nbd_conn *conn, const uint8_t *data, size_t len)
{
	uint16_t type;

	if (len < sizeof(type))
		return protocol_error(conn, "information");
	memcpy(&type, data, sizeof(type));
	switch (be16toh(type)) {
	case NBD_INFO_EXPORT:
		return info_export(conn, data, len);
	case NBD_INFO_BLOCK_SIZE:
		return info_block_size(conn, data, len);
	default:
		return 0;
	}
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

/* --- replies to GO -------------------------------------------------------- */

static int reply_ack(struct nbd_conn *conn)
{
	if (!conn->has_export_info)
		return nbd_fail(conn, -EPROTO, "the server has not told the "
				"size of the export");
	nbd_requests_start(conn);
	return 0;
}

static int step_reply_data(struct nbd_conn *conn, const void *data)
{
	const struct nbd_opt_reply *reply = &conn->opt_reply;

	nbd_expect(conn, sizeof(struct nbd_opt_reply), NULL, step_reply);
	if (reply->type & NBD_REP_FLAG_ERROR)
		return reply_error(conn, data, reply->len);
	switch (reply->type) {
	case NBD_REP_ACK:
		return reply_ack(conn);
	case NBD_REP_INFO:
		return reply_info(conn, data, reply->len);
	default:
		return protocol_error(conn, "answer to NBD_OPT_GO");
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
	int ret = take_reply(conn, data, NBD_OPT_GO, "answer to NBD_OPT_GO");

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

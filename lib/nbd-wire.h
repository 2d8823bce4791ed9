/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The NBD protocol, as far as we speak it: numbers and messages.  All on the
 * wire is big-endian.  Names as in the protocol's own document.
 */
#ifndef REPLICA_NBD_WIRE_H
#define REPLICA_NBD_WIRE_H

#include <assert.h>
#include <stdint.h>

#define NBD_MAGIC		0x4e42444d41474943ULL	/* "NBDMAGIC" */
#define NBD_OPT_MAGIC		0x49484156454f5054ULL	/* "IHAVEOPT" */
#define NBD_OLD_MAGIC		0x0000420281861253ULL
#define NBD_REP_MAGIC		0x0003e889045565a9ULL
#define NBD_REQUEST_MAGIC	0x25609513u
#define NBD_SIMPLE_REPLY_MAGIC	0x67446698u

#define NBD_MAX_NAME		4096	/* bytes of an export's name */

#define NBD_FLAG_FIXED_NEWSTYLE	(1u << 0)	/* both directions */
#define NBD_FLAG_NO_ZEROES	(1u << 1)

#define NBD_OPT_STARTTLS	5
#define NBD_OPT_INFO		6
#define NBD_OPT_GO		7

#define NBD_REP_ACK		1
#define NBD_REP_INFO		3
#define NBD_REP_FLAG_ERROR	(1u << 31)
#define NBD_REP_ERR(n)		(NBD_REP_FLAG_ERROR | (n))

#define NBD_INFO_EXPORT		0
#define NBD_INFO_NAME		1
#define NBD_INFO_BLOCK_SIZE	3

#define NBD_FLAG_HAS_FLAGS		(1u << 0)
#define NBD_FLAG_READ_ONLY		(1u << 1)
#define NBD_FLAG_SEND_FLUSH		(1u << 2)
#define NBD_FLAG_SEND_FUA		(1u << 3)
#define NBD_FLAG_ROTATIONAL		(1u << 4)
#define NBD_FLAG_SEND_WRITE_ZEROES	(1u << 6)
#define NBD_FLAG_CAN_MULTI_CONN		(1u << 8)
#define NBD_FLAG_SEND_FAST_ZERO		(1u << 11)

#define NBD_CMD_READ		0
#define NBD_CMD_WRITE		1
#define NBD_CMD_DISC		2
#define NBD_CMD_FLUSH		3
#define NBD_CMD_WRITE_ZEROES	6

/* Errors in replies.  Their numbers are Linux's, on every machine. */
#define NBD_EPERM	1
#define NBD_EIO		5
#define NBD_ENOMEM	12
#define NBD_EINVAL	22
#define NBD_ENOSPC	28
#define NBD_EOVERFLOW	75
#define NBD_ENOTSUP	95
#define NBD_ESHUTDOWN	108

struct nbd_greeting {
	uint64_t magic, opt_magic;
	uint16_t flags;
} __attribute__((packed));
static_assert(sizeof(struct nbd_greeting) == 18, "greeting");

/* The client's flags, once, and the first option. */
struct nbd_opt_first {
	uint32_t client_flags;
	uint64_t opt_magic;
	uint32_t option;
	uint32_t len;
} __attribute__((packed));
static_assert(sizeof(struct nbd_opt_first) == 20, "first option");

/*
 * GO and INFO. Followed by uint16_t nr_infos and that many uint16_t. The flags
 * are sent once, before the first option.
 */
struct nbd_opt_go {
	uint32_t client_flags;
	uint64_t opt_magic;
	uint32_t option;
	uint32_t len;
	uint32_t name_len;
	char name[];
} __attribute__((packed));
static_assert(sizeof(struct nbd_opt_go) == 24, "option go");

struct nbd_opt_reply {
	uint64_t magic;
	uint32_t option, type, len;
} __attribute__((packed));
static_assert(sizeof(struct nbd_opt_reply) == 20, "option reply");

struct nbd_info_export {
	uint16_t type;
	uint64_t size;
	uint16_t flags;
} __attribute__((packed));
static_assert(sizeof(struct nbd_info_export) == 12, "info export");

struct nbd_info_block_size {
	uint16_t type;
	uint32_t min, pref, max;
} __attribute__((packed));
static_assert(sizeof(struct nbd_info_block_size) == 14, "info block size");

struct nbd_request {
	uint32_t magic;
	uint16_t flags, command;
	uint64_t cookie, offset;
	uint32_t len;
} __attribute__((packed));
static_assert(sizeof(struct nbd_request) == 28, "request");

struct nbd_simple_reply {
	uint32_t magic, error;
	uint64_t cookie;
} __attribute__((packed));
static_assert(sizeof(struct nbd_simple_reply) == 16, "simple reply");

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS in the kernel (its module tls), for what we send.
 *
 * Only for that: what comes is few bytes, and there GnuTLS knows what to do
 * with a ticket, an alert or new keys of the peer's, which an asynchronous
 * receive from the kernel cannot even tell from a broken connection.  (A server
 * on GnuTLS takes new keys after 2^24 records, which is as many replies.)
 *
 * K1  One of the two encrypts, GnuTLS or the kernel: a key and a number of a
 *     record used by both would give both records away.  The kernel begins with
 *     the number at which GnuTLS has stopped.
 * K2  The keys are given in the last of the calls, and it either takes them or
 *     changes nothing.  Before, a socket with the kernel's TLS on it sends what
 *     it is given as it is: whoever is refused goes on with GnuTLS.
 * K3  No copy of a key is left on the stack.  (GnuTLS has its own to the end of
 *     the session, and the kernel to the end of the socket.)
 * K4  The kernel's records have up to 16 KiB, so only a peer gets them that
 *     has not asked for shorter ones (record_size_limit, RFC 8449, which GnuTLS
 *     offers, obeys, and does not tell).
 */
#include "tls-kernel.h"

#include <errno.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#define RECORD		16384
#define ALERT		21	/* the type of its record */
#define NUMBER_LEN	8
#define SIZE_LIMIT	28	/* the extension */
#define HELLO_FIXED	(2 + 32)	/* version and random, of ServerHello */

union keys {
	struct tls_crypto_info info;
	struct tls12_crypto_info_aes_gcm_128 aes_128;
	struct tls12_crypto_info_aes_gcm_256 aes_256;
	struct tls12_crypto_info_chacha20_poly1305 chacha;
};

/* A cipher, and where its parts stand in what the kernel is given. */
static const struct layout {
	gnutls_cipher_algorithm_t cipher;
	uint16_t type;
	uint8_t len, salt, salt_len, iv, iv_len, key, key_len, number;
} layouts[] = {
#define LAYOUT(cipher, type, field)					\
	{ cipher, type, sizeof(((union keys *)0)->field),		\
	  offsetof(union keys, field.salt), type##_SALT_SIZE,		\
	  offsetof(union keys, field.iv), type##_IV_SIZE,		\
	  offsetof(union keys, field.key), type##_KEY_SIZE,		\
	  offsetof(union keys, field.rec_seq) }
	LAYOUT(GNUTLS_CIPHER_AES_128_GCM, TLS_CIPHER_AES_GCM_128, aes_128),
	LAYOUT(GNUTLS_CIPHER_AES_256_GCM, TLS_CIPHER_AES_GCM_256, aes_256),
	LAYOUT(GNUTLS_CIPHER_CHACHA20_POLY1305, TLS_CIPHER_CHACHA20_POLY1305,
	       chacha),
#undef LAYOUT
};

/* --- the keys ------------------------------------------------------------- */

static const struct layout *find_layout(gnutls_session_t session)
{
	gnutls_cipher_algorithm_t cipher = gnutls_cipher_get(session);

	for (size_t i = 0; i < sizeof(layouts) / sizeof(layouts[0]); i++)
		if (layouts[i].cipher == cipher)
			return &layouts[i];
	return NULL;
}

static uint16_t version_of(gnutls_session_t session)
{
	switch (gnutls_protocol_get_version(session)) {
	case GNUTLS_TLS1_2:
		return TLS_1_2_VERSION;
	case GNUTLS_TLS1_3:
		return TLS_1_3_VERSION;
	default:
		return 0;
	}
}

/*
 * A record's nonce begins with the salt.  What follows is mixed with the
 * record's number, but for AES in TLS 1.2, where it is a number that is sent
 * with the record: GnuTLS takes the record's, so the kernel goes on with that.
 */
static int fill_nonce(uint8_t *to, const struct layout *l,
		      const gnutls_datum_t *iv, const uint8_t *number)
{
	if (iv->size == l->salt_len + l->iv_len) {
		memcpy(to + l->salt, iv->data, l->salt_len);
		memcpy(to + l->iv, iv->data + l->salt_len, l->iv_len);
		return 0;
	}
	if (iv->size != l->salt_len || l->iv_len != NUMBER_LEN)
		return -EOPNOTSUPP;
	memcpy(to + l->salt, iv->data, l->salt_len);
	memcpy(to + l->iv, number, NUMBER_LEN);
	return 0;
}

static int fill(union keys *keys, const struct layout *l,
		gnutls_session_t session)
{
	uint8_t number[NUMBER_LEN], *to = (uint8_t *)keys;
	gnutls_datum_t mac, iv, key;

	keys->info.version = version_of(session);
	keys->info.cipher_type = l->type;
	if (!keys->info.version ||
	    gnutls_record_get_state(session, 0, &mac, &iv, &key, number) ||
	    key.size != l->key_len)
		return -EOPNOTSUPP;
	memcpy(to + l->key, key.data, key.size);
	memcpy(to + l->number, number, NUMBER_LEN);
	return fill_nonce(to, l, &iv, number);
}

/* --- what the server takes ------------------------------------------------ */

static int see_extension(void *limit, unsigned int id,
			 const unsigned char *data, unsigned int len)
{
	if (id == SIZE_LIMIT && len == 2)
		*(size_t *)limit = data[0] << 8 | data[1];
	return 0;
}

void tls_kernel_see(unsigned int type, const gnutls_datum_t *msg,
		    size_t *limit)
{
	gnutls_datum_t rest = *msg;
	size_t skip = 0;

	/* TLS 1.2 has it here, behind the session, a cipher, a compression. */
	if (type == GNUTLS_HANDSHAKE_SERVER_HELLO && rest.size > HELLO_FIXED)
		skip = HELLO_FIXED + 1 + rest.data[HELLO_FIXED] + 3;
	else if (type != GNUTLS_HANDSHAKE_ENCRYPTED_EXTENSIONS)
		return;
	if (skip >= rest.size)
		return;
	rest.data += skip;
	rest.size -= skip;
	gnutls_ext_raw_parse(limit, see_extension, &rest, 0);
}

/* In TLS 1.3 the type of what is in it counts, too. */
static bool takes_full_records(gnutls_session_t session, size_t limit)
{
	bool is_13 = gnutls_protocol_get_version(session) == GNUTLS_TLS1_3;

	return !limit || limit >= (is_13 ? RECORD + 1 : RECORD);
}

/* --- the socket ----------------------------------------------------------- */

int tls_kernel_send(gnutls_session_t session, int fd, size_t limit)
{
	const struct layout *l = find_layout(session);
	union keys keys = { 0 };
	int ret;

	if (!l || !takes_full_records(session, limit))	/* K4 */
		return -EOPNOTSUPP;
	if (setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")))
		return -errno;
	ret = fill(&keys, l, session);
	if (!ret && setsockopt(fd, SOL_TLS, TLS_TX, &keys, l->len))
		ret = -errno;
	gnutls_memset(&keys, 0, sizeof(keys));
	return ret;
}

void tls_kernel_goodbye(int fd)
{
	uint8_t close_notify[] = { GNUTLS_AL_WARNING, GNUTLS_A_CLOSE_NOTIFY };
	union {
		struct cmsghdr head;
		uint8_t space[CMSG_SPACE(1)];
	} control = {
		.head = { CMSG_LEN(1), SOL_TLS, TLS_SET_RECORD_TYPE },
	};
	struct iovec iov = { close_notify, sizeof(close_notify) };
	const struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control),
	};

	*CMSG_DATA(&control.head) = ALERT;
	sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

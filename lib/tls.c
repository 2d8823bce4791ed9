/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS on GnuTLS, with memory in the place of the socket.
 *
 * T1  GnuTLS takes what was fed to the last byte before it says that it wants
 *     more: a call that ends with GNUTLS_E_AGAIN and leaves input is repeated.
 * T2  There is no way from here to clear text: an engine that has failed gives
 *     the same error for ever, and encrypts nothing.
 * T3  A session is used only when the handshake was authenticated in the way
 *     that was asked for: PSK with ephemeral keys, or a verified certificate.
 * T4  What is being sent stays: tls_take() turns two buffers over.
 * T5  After tls_hand_over() nothing is encrypted here (K1 in tls-kernel.c), and
 *     what GnuTLS would send to the peer all the same is not sent.
 */
#include "tls.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tls-kernel.h"
#include "tls-key.h"

#define RECORD		16384
#define UPDATE_REQUESTED 1	/* the body of a KeyUpdate */
#define VERSIONS	"NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
#define ONLY_PSK	":-KX-ALL:+ECDHE-PSK:+DHE-PSK"
#define CHACHA_LAST	":-CHACHA20-POLY1305:+CHACHA20-POLY1305"

struct buffer {
	uint8_t *data;
	size_t len, size;
};

struct tls {
	gnutls_session_t session;
	bool has_session;
	gnutls_psk_client_credentials_t psk;
	gnutls_psk_server_credentials_t psk_server;
	gnutls_certificate_credentials_t x509;
	char *user;			/* server: the one that may come */
	gnutls_datum_t key;		/* server: its key */
	const uint8_t *in;		/* fed, not taken yet */
	size_t in_len;
	struct buffer out, sending;	/* T4 */
	uint8_t record[RECORD];		/* kept back by tls_write() */
	size_t record_len;
	int failed;			/* T2 */
	size_t record_limit;		/* as the peer says; 0: it does not */
	bool has_update;		/* the peer has, or wants, new keys */
	bool is_handed;			/* T5 */
	bool is_rekey_due;		/* the peer waits for our new keys */
};

/* --- memory as a socket --------------------------------------------------- */

static ssize_t pull(gnutls_transport_ptr_t arg, void *buf, size_t len)
{
	struct tls *tls = arg;

	if (!tls->in_len) {
		gnutls_transport_set_errno(tls->session, EAGAIN);
		return -1;
	}
	if (len > tls->in_len)
		len = tls->in_len;
	memcpy(buf, tls->in, len);
	tls->in += len;
	tls->in_len -= len;
	return len;
}

static ssize_t push(gnutls_transport_ptr_t arg, const void *data, size_t len)
{
	struct tls *tls = arg;
	struct buffer *out = &tls->out;

	if (tls->is_handed) {			/* T5 */
		gnutls_transport_set_errno(tls->session, EPIPE);
		return -1;
	}
	if (out->len + len > out->size) {
		size_t size = (out->len + len) * 2;
		uint8_t *bigger = realloc(out->data, size);

		if (!bigger) {
			gnutls_transport_set_errno(tls->session, ENOMEM);
			return -1;
		}
		out->data = bigger;
		out->size = size;
	}
	memcpy(out->data + out->len, data, len);
	out->len += len;
	return len;
}

static int pull_timeout(gnutls_transport_ptr_t arg, unsigned int ms)
{
	const struct tls *tls = arg;

	return tls->in_len > 0;
}

void tls_feed(struct tls *tls, const void *data, size_t len)
{
	tls->in = data;
	tls->in_len = len;
}

void tls_take(struct tls *tls, const void **data, size_t *len)
{
	struct buffer old = tls->sending;

	tls->sending = tls->out;
	tls->out = old;
	tls->out.len = 0;
	*data = tls->sending.data;
	*len = tls->sending.len;
}

/* --- words ---------------------------------------------------------------- */

static int fail(struct tls *tls, int err)
{
	tls->failed = err;
	return err;
}

static int say_certificate(struct tls *tls, struct error *err)
{
	unsigned int status = gnutls_session_get_verify_cert_status(
					tls->session);
	gnutls_datum_t text = { 0 };

	gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509,
						     &text, 0);
	error_set(err, -EKEYREJECTED, "the server's certificate is refused: %s",
		  text.data ? (char *)text.data : "it is not valid");
	gnutls_free(text.data);
	return -EKEYREJECTED;
}

static int say_alert(struct tls *tls, struct error *err)
{
	const char *name = gnutls_alert_get_name(
				gnutls_alert_get(tls->session));

	return error_set(err, -EKEYREJECTED, "the peer refuses the TLS "
			 "handshake (%s): is it the same key there, and the "
			 "same name?", name ?: "no reason");
}

static int say_handshake(struct tls *tls, int ret, struct error *err)
{
	switch (ret) {
	case GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR:
		return say_certificate(tls, err);
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return say_alert(tls, err);
	case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
	case GNUTLS_E_RECORD_OVERFLOW:
	case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
		return error_set(err, -EKEYREJECTED,
				 "what the peer answers is not TLS");
	default:
		return error_set(err, -EKEYREJECTED, "the TLS handshake "
				 "failed: %s", gnutls_strerror(ret));
	}
}

/* --- the session ---------------------------------------------------------- */

/* T3 */
static bool is_authenticated(struct tls *tls)
{
	gnutls_credentials_type_t type = gnutls_auth_get_type(tls->session);

	return type == (tls->x509 ? GNUTLS_CRD_CERTIFICATE : GNUTLS_CRD_PSK);
}

/* T1 */
static bool wants_input(const struct tls *tls, int ret)
{
	return ret == GNUTLS_E_AGAIN && !tls->in_len;
}

int tls_handshake(struct tls *tls, struct error *err)
{
	int ret;

	if (tls->failed)
		return error_set(err, tls->failed, "TLS has failed");
	do
		ret = gnutls_handshake(tls->session);
	while (ret < 0 && !gnutls_error_is_fatal(ret) &&
	       !wants_input(tls, ret));
	if (wants_input(tls, ret))
		return 0;
	if (ret < 0)
		return fail(tls, say_handshake(tls, ret, err));
	if (!is_authenticated(tls))
		return fail(tls, error_set(err, -EKEYREJECTED, "the TLS "
					   "session proves nobody"));
	return 1;
}

int tls_read(struct tls *tls, void *buf, size_t size, struct error *err)
{
	ssize_t ret;

	if (tls->failed)
		return error_set(err, tls->failed, "TLS has failed");
	do
		ret = gnutls_record_recv(tls->session, buf, size);
	while (ret < 0 && !gnutls_error_is_fatal(ret) &&
	       !wants_input(tls, ret));
	if (ret >= 0)
		return ret;
	if (wants_input(tls, ret))
		return -EAGAIN;
	if (tls->is_rekey_due)
		return fail(tls, error_set(err, -EKEYEXPIRED, "the peer asks "
					   "for new keys, and to change them "
					   "takes a new connection"));
	return fail(tls, error_set(err, -EPROTO, "TLS: %s",
				   gnutls_strerror(ret)));
}

/* The memory takes all, a record of the size that the peer wants at a time. */
static int encrypt(struct tls *tls, const uint8_t *data, size_t len)
{
	ssize_t ret;

	assert(!tls->is_handed);
	if (tls->failed)
		return tls->failed;
	while (len) {
		ret = gnutls_record_send(tls->session, data, len);
		if (ret <= 0)
			return fail(tls, -EPROTO);
		data += ret;
		len -= ret;
	}
	return 0;
}

int tls_push(struct tls *tls)
{
	size_t len = tls->record_len;

	tls->record_len = 0;
	return len ? encrypt(tls, tls->record, len) : 0;
}

static size_t keep_back(struct tls *tls, const uint8_t *data, size_t len)
{
	size_t room = sizeof(tls->record) - tls->record_len;

	if (len > room)
		len = room;
	memcpy(tls->record + tls->record_len, data, len);
	tls->record_len += len;
	return len;
}

int tls_write(struct tls *tls, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t n;
	int ret = 0;

	while (len && !ret) {
		if (!tls->record_len && len >= RECORD) {
			n = RECORD;
			ret = encrypt(tls, p, n);
		} else {
			n = keep_back(tls, p, len);
			if (tls->record_len == RECORD)
				ret = tls_push(tls);
		}
		p += n;
		len -= n;
	}
	return ret;
}

int tls_end(struct tls *tls)
{
	int ret = tls_push(tls);

	if (!ret)
		gnutls_bye(tls->session, GNUTLS_SHUT_WR);
	return ret;
}

/* --- the kernel ----------------------------------------------------------- */

/*
 * GnuTLS would answer with the next record that it sends.  It sends none, and
 * the peer would get more of what it has called too much of one key.
 */
static int check_update(struct tls *tls, const gnutls_datum_t *msg)
{
	if (!msg->size || msg->data[msg->size - 1] != UPDATE_REQUESTED)
		return 0;
	tls->is_rekey_due = true;
	return GNUTLS_E_UNIMPLEMENTED_FEATURE;
}

static int see_message(gnutls_session_t session, unsigned int type,
		       unsigned int when, unsigned int incoming,
		       const gnutls_datum_t *msg)
{
	struct tls *tls = gnutls_session_get_ptr(session);

	if (!incoming)
		return 0;
	if (type == GNUTLS_HANDSHAKE_KEY_UPDATE) {
		tls->has_update = true;
		return tls->is_handed ? check_update(tls, msg) : 0;
	}
	tls_kernel_see(type, msg, &tls->record_limit);
	return 0;
}

int tls_hand_over(struct tls *tls, int fd)
{
	int ret;

	assert(!tls->out.len && !tls->record_len);
	if (tls->failed)
		return tls->failed;
	if (tls->has_update)	/* GnuTLS may owe new keys */
		return -EOPNOTSUPP;
	ret = tls_kernel_send(tls->session, fd, tls->record_limit);
	tls->is_handed = !ret;
	return ret;
}

void tls_end_handed(struct tls *tls, int fd)
{
	assert(tls->is_handed);
	tls_kernel_goodbye(fd);
}

int tls_derive(struct tls *tls, const char *label, uint8_t *key, size_t len)
{
	int ret = gnutls_prf_rfc5705(tls->session, strlen(label), label, 0,
				     NULL, len, (char *)key);

	return ret ? -EPROTO : 0;
}

/* --- who is who ----------------------------------------------------------- */

static int get_psk(const struct tls_identity *id, gnutls_datum_t *key,
		   struct error *err)
{
	uint8_t *copy;

	if (id->psk_file)
		return tls_key_read(id->psk_file, id->psk_user, &key->data,
				    &key->size, err);
	copy = gnutls_malloc(id->psk_len);
	if (!copy)
		return error_set(err, -ENOMEM, "out of memory");
	memcpy(copy, id->psk, id->psk_len);
	key->data = copy;
	key->size = id->psk_len;
	return 0;
}

static void wipe(gnutls_datum_t *key)
{
	if (key->data)
		gnutls_memset(key->data, 0, key->size);
	gnutls_free(key->data);
	key->data = NULL;
}

static int use_psk(struct tls *tls, const struct tls_identity *id,
		   struct error *err)
{
	gnutls_datum_t key = { 0 };
	int ret = get_psk(id, &key, err);

	if (ret)
		return ret;
	ret = gnutls_psk_allocate_client_credentials(&tls->psk);
	if (!ret)
		ret = gnutls_psk_set_client_credentials(tls->psk, id->psk_user,
							&key,
							GNUTLS_PSK_KEY_RAW);
	wipe(&key);
	if (!ret)
		ret = gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK,
					     tls->psk);
	return ret ? error_set(err, -EINVAL, "TLS: %s",
			       gnutls_strerror(ret)) : 0;
}

/* GnuTLS frees the copy. An unknown name fails as a wrong key does. */
static int find_psk(gnutls_session_t session, const char *user,
		    gnutls_datum_t *key)
{
	const struct tls *tls = gnutls_session_get_ptr(session);

	if (strcmp(user, tls->user))
		return -1;
	key->data = gnutls_malloc(tls->key.size);
	if (!key->data)
		return -1;
	memcpy(key->data, tls->key.data, tls->key.size);
	key->size = tls->key.size;
	return 0;
}

static int use_psk_server(struct tls *tls, const struct tls_identity *id,
			  struct error *err)
{
	int ret = get_psk(id, &tls->key, err);

	if (ret)
		return ret;
	tls->user = strdup(id->psk_user);
	ret = gnutls_psk_allocate_server_credentials(&tls->psk_server);
	if (ret || !tls->user)
		return error_set(err, -ENOMEM, "out of memory");
	gnutls_psk_set_server_credentials_function(tls->psk_server, find_psk);
	gnutls_credentials_set(tls->session, GNUTLS_CRD_PSK, tls->psk_server);
	return 0;
}

static int load_pem(struct tls *tls, const char *folder, struct error *err)
{
	char ca[4096], cert[4096], key[4096];
	int ret;

	snprintf(ca, sizeof(ca), "%s/ca-cert.pem", folder);
	snprintf(cert, sizeof(cert), "%s/client-cert.pem", folder);
	snprintf(key, sizeof(key), "%s/client-key.pem", folder);
	ret = gnutls_certificate_set_x509_trust_file(tls->x509, ca,
						     GNUTLS_X509_FMT_PEM);
	if (ret <= 0)
		return error_set(err, -EINVAL, "%s: %s", ca, ret ?
				 gnutls_strerror(ret) : "no certificate in it");
	if (access(cert, F_OK) && access(key, F_OK))
		return 0;
	ret = gnutls_certificate_set_x509_key_file(tls->x509, cert, key,
						   GNUTLS_X509_FMT_PEM);
	return ret < 0 ? error_set(err, -EINVAL, "%s, client-key.pem: %s", cert,
				   gnutls_strerror(ret)) : 0;
}

static int use_certificates(struct tls *tls, const struct tls_identity *id,
			    struct error *err)
{
	int ret = gnutls_certificate_allocate_credentials(&tls->x509);

	if (ret)
		return error_set(err, -ENOMEM, "out of memory");
	ret = load_pem(tls, id->certificates, err);
	if (ret)
		return ret;
	gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, id->hostname,
			       strlen(id->hostname));
	gnutls_session_set_verify_cert(tls->session, id->hostname, 0);
	gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, tls->x509);
	return 0;
}

/* --- begin and end -------------------------------------------------------- */

/* This processor has instructions for AES-GCM. */
static bool has_aes(void)
{
#if defined(__x86_64__) || defined(__i386__)
	return __builtin_cpu_supports("aes") &&
	       __builtin_cpu_supports("pclmul");
#else
	return false;
#endif
}

/*
 * GnuTLS would rather have ChaCha20 than AES-128, and AES-256 does not go with
 * a key in TLS 1.3 (its hash is another one): where there are instructions for
 * AES that would be seven times as slow.
 */
static int set_priority(struct tls *tls, bool is_psk)
{
	char text[256];

	snprintf(text, sizeof(text), "%s%s%s", VERSIONS,
		 is_psk ? ONLY_PSK : "", has_aes() ? CHACHA_LAST : "");
	return gnutls_priority_set_direct(tls->session, text, NULL);
}

static int set_up(struct tls *tls, const struct tls_identity *id,
		  struct error *err)
{
	unsigned int flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL |
			     (id->is_server ? GNUTLS_SERVER : GNUTLS_CLIENT);
	int ret = gnutls_init(&tls->session, flags);

	if (ret)
		return error_set(err, -ENOMEM, "TLS: %s", gnutls_strerror(ret));
	tls->has_session = true;
	gnutls_session_set_ptr(tls->session, tls);
	gnutls_transport_set_ptr(tls->session, tls);
	gnutls_transport_set_pull_function(tls->session, pull);
	gnutls_transport_set_push_function(tls->session, push);
	gnutls_transport_set_pull_timeout_function(tls->session, pull_timeout);
	gnutls_handshake_set_timeout(tls->session,
				     GNUTLS_INDEFINITE_TIMEOUT);
	gnutls_handshake_set_hook_function(tls->session, GNUTLS_HANDSHAKE_ANY,
					   GNUTLS_HOOK_POST, see_message);
	ret = set_priority(tls, !id->certificates);
	if (ret)
		return error_set(err, -EINVAL, "TLS: %s", gnutls_strerror(ret));
	if (id->certificates)
		return use_certificates(tls, id, err);
	return id->is_server ? use_psk_server(tls, id, err) :
			       use_psk(tls, id, err);
}

int tls_create(struct tls **tlsp, const struct tls_identity *id,
	       struct error *err)
{
	struct tls *tls = calloc(1, sizeof(*tls));
	int ret;

	*tlsp = NULL;
	if (!tls)
		return error_set(err, -ENOMEM, "out of memory");
	ret = set_up(tls, id, err);
	if (ret)
		tls_destroy(tls);
	else
		*tlsp = tls;
	return ret;
}

void tls_destroy(struct tls *tls)
{
	if (!tls)
		return;
	if (tls->has_session)
		gnutls_deinit(tls->session);
	if (tls->psk)
		gnutls_psk_free_client_credentials(tls->psk);
	if (tls->psk_server)
		gnutls_psk_free_server_credentials(tls->psk_server);
	if (tls->x509)
		gnutls_certificate_free_credentials(tls->x509);
	wipe(&tls->key);
	gnutls_memset(tls->record, 0, sizeof(tls->record));
	free(tls->user);
	free(tls->out.data);
	free(tls->sending.data);
	free(tls);
}

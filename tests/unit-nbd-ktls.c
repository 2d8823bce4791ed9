/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TLS that is handed to the kernel after the handshake, or is not: by every
 * cipher, and with all that a server may send beside its answers.  If this
 * failed, what is written could get there as something else, or what is no
 * answer be taken for one.
 *
 * A kernel without TLS does for the half of it: then GnuTLS encrypts in each
 * case.  Which of the two it was to be is looked at in each.
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "nbd-client.h"
#include "nbd-script.h"
#include "tap.h"

#define NR_WRITES	16
#define STRIDE		(512 << 10)
#define IMAGE		(NR_WRITES * STRIDE)
#define SEND_BUFFER	(32 << 10)
#define PSK		"NORMAL:-KX-ALL:+ECDHE-PSK:+DHE-PSK"
#define ONLY		PSK ":-VERS-ALL:-CIPHER-ALL:"
#define ONLY_X509	"NORMAL:-VERS-ALL:-CIPHER-ALL:"
#define TLS12		"+VERS-TLS1.2"
#define TLS13		"+VERS-TLS1.3"
#define SMALL_RECORD	1024

static struct script_server server;
static char uri[512], dir[] = "/tmp/unit-nbd-ktls-XXXXXX";
static uint8_t sent[NR_WRITES][STRIDE], image[IMAGE], back[STRIDE];
static bool has_kernel, has_chacha;

/* --- the calls that hand a socket over ------------------------------------ */

static enum { AS_IT_IS, NO_ULP, NO_KEYS } fault;
static unsigned int nr_keys;	/* that the kernel was given */

int __real_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t len);
int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t len);

int __wrap_setsockopt(int fd, int level, int name, const void *value,
		      socklen_t len)
{
	bool is_ulp = level == IPPROTO_TCP && name == TCP_ULP;
	int ret, small = SEND_BUFFER;

	/* The client's socket, when it is new: a long send comes in parts. */
	if (level == IPPROTO_TCP && name == TCP_NODELAY)
		__real_setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small,
				  sizeof(small));

	if (is_ulp && fault == NO_ULP) {
		errno = ENOENT;
		return -1;
	}
	if (level == SOL_TLS && fault == NO_KEYS) {
		errno = EINVAL;
		return -1;
	}
	ret = __real_setsockopt(fd, level, name, value, len);
	if (level == SOL_TLS && !ret)
		nr_keys++;
	return is_ulp && fault == NO_KEYS ? 0 : ret;
}

/* --- the server ----------------------------------------------------------- */

struct scene {
	const char *claim;
	const char *priority;		/* of the server; NULL: its default */
	void (*midway)(gnutls_session_t session);
	unsigned int flags;		/* of gnutls_init() */
	size_t record;			/* that it takes; 0: all */
	int kernel_err;			/* where the kernel encrypts */
	const char *text;
	int fault;
	bool is_x509;
	bool only_user;			/* the kernel is not asked for it */
	bool is_chacha;
	bool talks_early;
};

static const struct scene *scene;
static bool got_goodbye;
static gnutls_cipher_algorithm_t cipher;

struct session {
	struct script_tls tls;
	gnutls_session_t session;
};

static gnutls_session_t session_of(struct script_tls *tls)
{
	return container_of(tls, struct session, tls)->session;
}

static bool session_send(struct script_tls *tls, const void *data, size_t len)
{
	const uint8_t *p = data;
	ssize_t n = 1;

	for (; len && n > 0; p += n, len -= n) {
		do
			n = gnutls_record_send(session_of(tls), p, len);
		while (n < 0 && !gnutls_error_is_fatal(n));
		if (n < 0)
			return false;
	}
	return true;
}

static bool session_recv(struct script_tls *tls, void *data, size_t len)
{
	uint8_t *p = data;
	ssize_t n = 1;

	for (; len && n > 0; p += n, len -= n) {
		do
			n = gnutls_record_recv(session_of(tls), p, len);
		while (n < 0 && !gnutls_error_is_fatal(n));
		if (n <= 0)
			return false;
	}
	return true;
}

static int find_key(gnutls_session_t session, const char *user,
		    gnutls_datum_t *psk)
{
	(void)session;
	(void)user;
	psk->data = gnutls_calloc(1, 16);
	psk->size = 16;
	return psk->data ? 0 : -1;
}

static void cork(int fd, int on)
{
	setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

static void answer_too_early(struct script_server *s)
{
	s->option = NBD_OPT_GO;
	script_export(s, IMAGE, SCRIPT_ALL_FLAGS);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	cork(s->fd, 0);
}

static void serve(struct script_server *s)
{
	gnutls_session_t session = session_of(s->tls);
	unsigned int nr = 0;

	while (script_request(s)) {
		const struct nbd_request *r = &s->last;

		if (r->command == NBD_CMD_WRITE)
			memcpy(image + r->offset, s->payload, r->len);
		if (++nr == NR_WRITES / 2 && scene->midway)
			scene->midway(session);
		script_reply(s, r->cookie, 0);
		if (r->command == NBD_CMD_READ)
			script_send(s, image + r->offset, r->len);
	}
	/* A truncated stream is an error, not 0. */
	got_goodbye = s->nr_disc &&
		      !gnutls_record_recv(session, s->payload, 1);
}

static void in_session(struct script_server *s)
{
	char name[64];

	if (scene->talks_early)
		answer_too_early(s);
	if (!script_get_option(s, false, name, sizeof(name)))
		return;
	script_export(s, IMAGE, SCRIPT_ALL_FLAGS);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	serve(s);
}

static void shake(struct script_server *s, gnutls_session_t session)
{
	struct session tls = { { session_send, session_recv }, session };
	int ret;

	if (scene->talks_early)
		cork(s->fd, 1);
	do
		ret = gnutls_handshake(session);
	while (ret < 0 && !gnutls_error_is_fatal(ret));
	if (ret) {
		printf("# the server's handshake: %s\n", gnutls_strerror(ret));
		return;
	}
	s->tls = &tls.tls;
	cipher = gnutls_cipher_get(session);
	in_session(s);
	s->tls = NULL;
}

static gnutls_certificate_credentials_t load_certificates(void)
{
	gnutls_certificate_credentials_t x509;
	char cert[64], private[64];

	snprintf(cert, sizeof(cert), "%s/server-cert.pem", dir);
	snprintf(private, sizeof(private), "%s/server-key.pem", dir);
	gnutls_certificate_allocate_credentials(&x509);
	gnutls_certificate_set_x509_key_file(x509, cert, private,
					     GNUTLS_X509_FMT_PEM);
	return x509;
}

static void script(struct script_server *s)
{
	gnutls_certificate_credentials_t x509 = load_certificates();
	gnutls_psk_server_credentials_t psk;
	gnutls_session_t session;
	struct nbd_opt_first first;
	gnutls_datum_t tickets;

	script_greet(s);
	if (!script_recv(s, &first, sizeof(first)))
		return;
	s->option = NBD_OPT_STARTTLS;
	script_opt(s, NBD_REP_ACK, NULL, 0);
	gnutls_init(&session, GNUTLS_SERVER | scene->flags);
	gnutls_psk_allocate_server_credentials(&psk);
	gnutls_psk_set_server_credentials_function(psk, find_key);
	gnutls_credentials_set(session, GNUTLS_CRD_PSK, psk);
	gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, x509);
	gnutls_priority_set_direct(session, scene->priority ?:
				   scene->is_x509 ? "NORMAL" : PSK, NULL);
	gnutls_session_ticket_key_generate(&tickets);
	gnutls_session_ticket_enable_server(session, &tickets);
	if (scene->record)
		gnutls_record_set_max_recv_size(session, scene->record);
	gnutls_transport_set_int(session, s->fd);
	shake(s, session);
	gnutls_deinit(session);
	gnutls_psk_free_server_credentials(psk);
	gnutls_certificate_free_credentials(x509);
	gnutls_memset(tickets.data, 0, tickets.size);
	gnutls_free(tickets.data);
}

/* --- the client ----------------------------------------------------------- */

/* Around the size of a record and of a send, each filled in its own way. */
static size_t len_of(unsigned int i)
{
	static const size_t lens[] = { 1, 4096, 16384 - 28, 16384, 16385,
				       100003, 131072, 262144 };

	return lens[i % (sizeof(lens) / sizeof(lens[0]))];
}

static void start_writes(struct client *c)
{
	for (unsigned int i = 0; i < NR_WRITES; i++)
		nbd_write(c->conn, client_req(c), sent[i], len_of(i),
			  (uint64_t)i * STRIDE, 0);
}

static void next(struct client *c, struct client_req *r)
{
	if (r->err || !client_all_done(c))
		return;
	if (c->nr_started == NR_WRITES)
		nbd_read(c->conn, client_req(c), back, len_of(7), 7 * STRIDE);
	else if (c->nr_started == NR_WRITES + 1)
		nbd_flush(c->conn, client_req(c));
	else
		nbd_disconnect(c->conn);
}

static bool has_arrived(void)
{
	for (unsigned int i = 0; i < NR_WRITES; i++)
		if (memcmp(image + (size_t)i * STRIDE, sent[i], len_of(i)))
			return false;
	return !memcmp(back, sent[7], len_of(7));
}

static void fill(void)
{
	uint32_t x = 1;

	for (unsigned int i = 0; i < NR_WRITES; i++)
		for (size_t k = 0; k < sizeof(sent[i]); k++)
			sent[i][k] = (x = x * 1664525 + 1013904223) >> 24;
	memset(image, 0, sizeof(image));
	memset(back, 0, sizeof(back));
}

/* --- the scenes ----------------------------------------------------------- */

static void new_keys(gnutls_session_t session)
{
	gnutls_session_key_update(session, 0);
}

static void ask_for_new_keys(gnutls_session_t session)
{
	gnutls_session_key_update(session, GNUTLS_KU_PEER);
}

static void send_tickets(gnutls_session_t session)
{
	gnutls_session_ticket_send(session, 3, 0);
}

static void send_warning(gnutls_session_t session)
{
	gnutls_alert_send(session, GNUTLS_AL_WARNING,
			  GNUTLS_A_UNRECOGNIZED_NAME);
}

static const struct scene scenes[] = {
	{ .claim = "as it comes" },
	{ .claim = "TLS 1.3, AES-128-GCM",
	  .priority = ONLY TLS13 ":+AES-128-GCM" },
	{ .claim = "TLS 1.3, AES-256-GCM", .is_x509 = true,
	  .priority = ONLY_X509 TLS13 ":+AES-256-GCM" },
	{ .claim = "certificates, as it comes", .is_x509 = true },
	{ .claim = "TLS 1.3, ChaCha20",
	  .priority = ONLY TLS13 ":+CHACHA20-POLY1305", .is_chacha = true },
	{ .claim = "TLS 1.2, AES-128-GCM",
	  .priority = ONLY TLS12 ":+AES-128-GCM" },
	{ .claim = "TLS 1.2, AES-256-GCM",
	  .priority = ONLY TLS12 ":+AES-256-GCM" },
	{ .claim = "TLS 1.2, ChaCha20",
	  .priority = ONLY TLS12 ":+CHACHA20-POLY1305", .is_chacha = true },
	{ .claim = "TLS 1.2, AES-128-CBC",
	  .priority = ONLY TLS12 ":+AES-128-CBC:+SHA1",
	  .only_user = true },
	{ .claim = "a server that takes small records", .record = SMALL_RECORD,
	  .only_user = true },
	{ .claim = "the same in TLS 1.2", .record = SMALL_RECORD,
	  .priority = ONLY TLS12 ":+AES-128-GCM", .only_user = true },
	{ .claim = "the server takes new keys", .midway = new_keys },
	{ .claim = "the server asks for new keys", .midway = ask_for_new_keys,
	  .kernel_err = -EKEYEXPIRED, .text = "asks for new keys" },
	{ .claim = "tickets in between", .midway = send_tickets },
	{ .claim = "a warning in TLS 1.2",
	  .priority = ONLY TLS12 ":+AES-128-GCM",
	  .midway = send_warning },
	{ .claim = "answers before the question", .talks_early = true,
	  .flags = GNUTLS_ENABLE_EARLY_START, .is_x509 = true,
	  .priority = ONLY_X509 TLS13 ":+AES-128-GCM",
	  .text = "before it has been asked" },
	{ .claim = "a kernel without TLS", .fault = NO_ULP, .only_user = true },
	{ .claim = "a kernel that refuses the keys", .fault = NO_KEYS,
	  .only_user = true },
};

static void check_end(const struct client *c, bool is_kernel)
{
	int err = is_kernel ? scene->kernel_err : 0;

	if (scene->talks_early) {
		is_int(c->err, -EPROTO, "%s: is the end", scene->claim);
		err = -EPROTO;
	} else if (is_int(c->err, err, "%s: the end", scene->claim) && !err) {
		ok(got_goodbye, "%s: the server got our goodbye",
		   scene->claim);
		ok(has_arrived(), "%s: what is there is what was sent",
		   scene->claim);
	}
	if (err)
		ok(strstr(c->text, scene->text), "%s: %s", scene->claim,
		   c->text);
	else if (c->err)
		printf("# %s\n", c->text);
}

static void run_scene(void)
{
	bool is_kernel = has_kernel && !scene->only_user &&
			 (has_chacha || !scene->is_chacha);
	struct client *c = calloc(1, sizeof(*c));

	fill();
	got_goodbye = false;
	fault = scene->fault;
	nr_keys = 0;
	c->on_ready = start_writes;
	c->on_done = next;
	if (script_start_tcp(&server, script))
		abort();
	snprintf(uri, sizeof(uri), scene->is_x509 ?
		 "nbds://%s?tls-certificates=%s" :
		 "nbds://user@%s?tls-psk-file=%s/keys",
		 strstr(server.uri, "//") + 2, dir);
	client_run(c, uri, NULL);
	if (!ok(!c->is_hung, "%s: it ends", scene->claim))
		exit(1);
	script_end(&server);
	fault = AS_IT_IS;
	ok(client_all_done(c), "%s: each request has ended",
	   scene->claim);
	check_end(c, is_kernel);
	if (!scene->talks_early) {
		is_int(c->info.tls, is_kernel ? NBD_TLS_KERNEL :
		       NBD_TLS_USERSPACE, "%s: who encrypts", scene->claim);
		is_int(nr_keys, is_kernel, "%s: and the kernel has the keys "
		       "only if it is the kernel", scene->claim);
	}
	free(c);
}

/* Where both take whatever there is, it is not the slow one. */
static void check_cipher(void)
{
#if defined(__x86_64__) || defined(__i386__)
	if (__builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul"))
		is_int(cipher, GNUTLS_CIPHER_AES_128_GCM,
		       "what this processor has instructions for is taken");
#endif
}

/*
 * A connected socket takes the kernel's TLS, or there is none; and a key of
 * ChaCha20, which kernels may be built without.
 */
static void probe_kernel(void)
{
	const struct tls12_crypto_info_chacha20_poly1305 key = {
		.info.version = TLS_1_2_VERSION,
		.info.cipher_type = TLS_CIPHER_CHACHA20_POLY1305,
	};
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(in);
	int a = socket(AF_INET, SOCK_STREAM, 0);
	int b = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(a, (struct sockaddr *)&in, sizeof(in)) || listen(a, 1) ||
	    getsockname(a, (struct sockaddr *)&in, &len) ||
	    connect(b, (struct sockaddr *)&in, sizeof(in)))
		abort();
	has_kernel = !__real_setsockopt(b, IPPROTO_TCP, TCP_ULP, "tls", 4);
	has_chacha = !__real_setsockopt(b, SOL_TLS, TLS_TX, &key, sizeof(key));
	close(a);
	close(b);
}

/* The folder of both sides' keys. */
static bool make_keys(void)
{
	char command[256];

	if (!mkdtemp(dir))
		return false;
	snprintf(command, sizeof(command), "tests/make-certificates %s && "
		 "echo user:00000000000000000000000000000000 >%s/keys", dir,
		 dir);
	return !system(command);
}

static void remove_keys(void)
{
	char command[256];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	ok(!system(command), "the keys are removed");
}

int main(void)
{
	if (!ok(make_keys(), "keys are made"))
		return tap_done();
	probe_kernel();
	printf("# the kernel %s TLS%s\n", has_kernel ? "has" : "has no",
	       has_kernel && !has_chacha ? ", but no ChaCha20" : "");
	for (size_t i = 0; i < sizeof(scenes) / sizeof(scenes[0]); i++) {
		scene = &scenes[i];
		run_scene();
		if (!i)
			check_cipher();
	}
	remove_keys();
	return tap_done();
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The token and the join: if this failed, the two sides of a pair could end
 * with different keys, or a peer of another version or with another key would
 * be let in, or told nothing.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pairing-token.h"
#include "pairing-wire.h"
#include "tap.h"
#include "tls.h"

static struct pairing_token token = {
	.address = "[::1]:10809", .id = "00112233445566778899aabbccddeeff",
	.key = { 1, 2, 3 },
};

/* --- the token ------------------------------------------------------------ */

static void test_token(void)
{
	char text[PAIRING_TOKEN_LEN], padded[PAIRING_TOKEN_LEN + 8];
	struct pairing_token back = { 0 };
	struct error err = { 0 };
	unsigned int nr_taken = 0;
	size_t len;

	pairing_token_print(text, &token);
	snprintf(padded, sizeof(padded), " \t%s\r\n", text);
	is_int(pairing_token_parse(&back, padded, &err), 0, "there and back");
	ok(!memcmp(&back, &token, sizeof(back)), "it is the same");
	len = strlen(text);
	for (size_t i = 0; i < len; i++) {
		char old = text[i];

		text[i] = old == '0' ? '1' : '0';
		nr_taken += !pairing_token_parse(&back, text, NULL);
		text[i] = '\0';
		nr_taken += !pairing_token_parse(&back, text, NULL);
		text[i] = old;
	}
	is_int(nr_taken, 0, "none of %zu damaged ones is taken", 2 * len);
}

static void test_addresses(void)
{
	static const struct {
		const char *text, *host;
	} cases[] = {
		{ "h:1", "h" }, { "[::1]:65535", "::1" }, { "1.2.3.4:5", "1.2.3.4" },
		{ "h", NULL }, { "h:", NULL }, { "h:0", NULL },
		{ ":1", NULL },
		{ "h:65536", NULL }, { "::1:5", NULL }, { "[]:1", NULL },
		{ "h/x:1", NULL }, { "h:1x", NULL }, { "a b:1", NULL },
	};
	char host[PAIRING_ADDRESS_LEN], port[8];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int ret = pairing_address_split(cases[i].text, host, port);

		if (cases[i].host)
			ok(!ret && !strcmp(host, cases[i].host), "address %s",
			   cases[i].text);
		else
			is_int(ret, -EINVAL, "no address: %s", cases[i].text);
	}
}

/* --- the join ------------------------------------------------------------- */

struct side {
	struct pairing_wire wire;
	struct pairing_token token;
	int fd, ret;
	uint8_t key[PAIRING_KEY_BYTES];
	struct error err;
};

static void *receive(void *arg)
{
	struct side *s = arg;

	s->ret = pairing_greet_blocking(&s->wire, s->fd, &s->token, s->key,
					&s->err);
	if (!s->ret)
		pairing_answer_blocking(&s->wire, NULL);
	pairing_wire_close(&s->wire);
	return NULL;
}

static void pump(int fd, struct tls *tls)
{
	const void *data;
	size_t len;

	tls_take(tls, &data, &len);
	if (len && send(fd, data, len, MSG_NOSIGNAL) < 0)
		return;
}

/* A joiner by hand: says @line, returns what is answered. */
static void join(int fd, const char *line, uint8_t *key, char answer[200])
{
	const struct tls_identity id = {
		.psk_user = token.id, .psk = token.key,
		.psk_len = sizeof(token.key),
	};
	struct error err = { 0 };
	struct tls *tls = NULL;
	bool is_said = false;
	char buf[4096];
	int n = 0, ret = tls_create(&tls, &id, &err);

	answer[0] = '\0';
	while (!ret) {
		ret = is_said ? tls_read(tls, answer, 199, &err) :
				tls_handshake(tls, &err);
		if (is_said && ret > 0)
			answer[ret] = '\0';
		if (!is_said && ret == 1) {
			tls_derive(tls, "EXPORTER-dm-replica-pair-1", key,
				   PAIRING_KEY_BYTES);
			tls_write(tls, line, strlen(line));
			tls_push(tls);
			is_said = true;
			ret = 0;
			pump(fd, tls);
			continue;
		}
		pump(fd, tls);
		if (ret && ret != -EAGAIN)
			break;
		n = recv(fd, buf, sizeof(buf), 0);
		ret = n > 0 ? 0 : -ECONNRESET;
		tls_feed(tls, buf, n > 0 ? n : 0);
	}
	tls_destroy(tls);
}

static void try_join(const char *claim, const char *line, bool is_right_key,
		     int want, const char *says)
{
	struct side s = { .token = token };
	uint8_t key[PAIRING_KEY_BYTES] = { 0 };
	char answer[200];
	pthread_t thread;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds))
		abort();
	s.fd = fds[1];
	s.token.key[0] ^= !is_right_key;
	pthread_create(&thread, NULL, receive, &s);
	join(fds[0], line, key, answer);
	close(fds[0]);
	pthread_join(thread, NULL);
	answer[strcspn(answer, "\n")] = '\0';
	ok(s.ret == want && strstr(answer, says), "%s: %d, %s %s", claim, s.ret,
	   s.err.text, answer);
	if (!want)
		ok(!memcmp(key, s.key, sizeof(key)) && key[0] | key[1] | key[2],
		   "%s: both have the same key", claim);
}

int main(void)
{
	test_token();
	test_addresses();
	try_join("a join", "{\"dm_replica_join\": 1, \"pair_id\": "
		 "\"00112233445566778899aabbccddeeff\"}\n", true, 0, "\"ok\":true");
	try_join("another version", "{\"dm_replica_join\": 2, \"pair_id\": "
		 "\"00112233445566778899aabbccddeeff\"}\n", true,
		 -EPROTONOSUPPORT, "speaks version 2 of pairing");
	try_join("another pair", "{\"dm_replica_join\": 1, \"pair_id\": "
		 "\"ff112233445566778899aabbccddeeff\"}\n", true, -EPERM,
		 "another pair");
	try_join("no JSON", "hello\n", true, -EPROTO, "no sense");
	try_join("another key", "x\n", false, -EKEYREJECTED, "");
	return tap_done();
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The server of an image, as its client sees it. If this fails, what a client
 * asks for could be read from outside of the image, be written, or end us.
 */
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve-image.h"
#include "stage-rig.h"
#include "tap.h"

static const struct stage_options keep = { .history_ms = 3600000 };

static struct model m;
static struct stage_image *image;
static int fds[2];

static int read_image(void *arg, void *buf, size_t len, uint64_t off)
{
	return stage_image_read(arg, buf, len, off, NULL);
}

static void *serve(void *arg)
{
	const struct served what = {
		.bytes = RIG_BYTES, .read = read_image, .arg = image,
	};

	serve_image(fds[0], &what);
	close(fds[0]);
	return NULL;
}

static bool get(void *buf, size_t len)
{
	return recv(fds[1], buf, len, MSG_WAITALL) == (ssize_t)len;
}

static void ask(uint32_t magic, uint16_t type, uint64_t off, uint32_t len)
{
	char r[28];
	uint32_t be_magic = htobe32(magic), be_len = htobe32(len);
	uint16_t be_type = htobe16(type);
	uint64_t be_off = htobe64(off);

	memset(r, 0, sizeof(r));
	memcpy(r, &be_magic, 4);
	memcpy(r + 6, &be_type, 2);
	memcpy(r + 8, "handle:)", 8);
	memcpy(r + 16, &be_off, 8);
	memcpy(r + 24, &be_len, 4);
	send(fds[1], r, sizeof(r), MSG_NOSIGNAL);
}

/* The error of a reply, or -1: there is none, or it is not that of ours. */
static int answer(void)
{
	static const char magic[4] = { 0x67, 0x44, 0x66, (char)0x98 };
	uint32_t error;
	char r[16];

	if (!get(r, sizeof(r)) || memcmp(r, magic, 4) ||
	    memcmp(r + 8, "handle:)", 8))
		return -1;
	memcpy(&error, r + 4, 4);
	return be32toh(error);
}

static int read_error(uint64_t off, uint32_t len)
{
	ask(0x25609513, 0, off, len);
	return answer();
}

static bool reads(uint64_t off, uint32_t len)
{
	char buf[RIG_BYTES];

	return !read_error(off, len) && get(buf, len) &&
	       !memcmp(buf, m.image[1] + off, len);
}

static void test_greeting(void)
{
	char greeting[152];
	uint64_t bytes;

	ok(get(greeting, sizeof(greeting)), "a greeting");
	ok(!memcmp(greeting, "NBDMAGIC", 8), "of NBD");
	memcpy(&bytes, greeting + 16, 8);
	is_int(be64toh(bytes), RIG_BYTES, "with the size");
	is_int(greeting[27], 3, "which says that it is read-only");
}

static void test_requests(void)
{
	static const char data[4096];

	ok(reads(0, RIG_BYTES), "all of it");
	ok(reads(513, 1), "a byte");
	ok(reads(RIG_BYTES - 1, 1), "the last one");
	is_int(read_error(RIG_BYTES, 1), EINVAL, "behind the end");
	is_int(read_error(RIG_BYTES - 1, 2), EINVAL, "past the end");
	is_int(read_error(UINT64_MAX, 2), EINVAL, "around");
	is_int(read_error(0, UINT32_MAX), EINVAL, "all that there can be");
	is_int(read_error(0, 0), EINVAL, "nothing");
	ask(0x25609513, 1, 0, sizeof(data));
	send(fds[1], data, sizeof(data), MSG_NOSIGNAL);
	is_int(answer(), EPERM, "a write");
	ok(reads(0, 4096), "it is taken whole, and goes nowhere");
	ask(0x25609513, 77, 0, 4096);
	is_int(answer(), EINVAL, "what is not known");
	ok(reads(4096, 4096), "goes on");
}

/* As it begins, and as it ends when the client does @last. */
static void run(void (*test)(void), uint32_t magic, uint16_t last,
		const char *name)
{
	pthread_t thread;
	char byte;

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	pthread_create(&thread, NULL, serve, NULL);
	test();
	ask(magic, last, 0, 4096);
	is_int(recv(fds[1], &byte, 1, 0), 0, "%s ends it", name);
	pthread_join(thread, NULL);
	close(fds[1]);
}

static void skip_greeting(void)
{
	char greeting[152];

	get(greeting, sizeof(greeting));
}

static void test_both(void)
{
	test_greeting();
	test_requests();
}

/* The image is broken, or the client goes away in the middle. */
static void test_gone(void)
{
	pthread_t thread;

	socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
	pthread_create(&thread, NULL, serve, NULL);
	skip_greeting();
	ask(0x25609513, 0, 0, RIG_BYTES);
	send(fds[1], "half", 4, MSG_NOSIGNAL);
	close(fds[1]);
	pthread_join(thread, NULL);
	ok(true, "a client that is gone ends it");
}

int main(void)
{
	struct disk *d = disk_create();
	struct stage *s = rig_create(d, &keep, 1);
	struct client c;

	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
	client_epoch(&c, &m, 1, 1, true);
	stage_image_open(&image, c.v, 1, NULL);
	client_epoch(&c, &m, 2, 2, true);
	run(test_both, 0x25609513, 2, "a goodbye");
	run(skip_greeting, 0x11111111, 0, "what is no request");
	test_gone();
	stage_image_close(image);
	client_close(&c);
	stage_close(s);
	disk_destroy(d);
	return tap_done();
}

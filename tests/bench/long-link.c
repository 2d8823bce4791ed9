// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * long-link A B BITS DELAY LOSS SEED: a long link between two new TUN devices,
 * without netem. Each way carries BITS a second, delays by DELAY ms and loses
 * one packet in LOSS (0: none), by chance from SEED. Says "ready", and runs
 * until it is killed. The devices may be moved to other network namespaces.
 *
 * A packet leaves when those before it have, and arrives DELAY later; a queue
 * that is full loses what comes. As with netem, the loss is independent of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_MAX	2048
#define QUEUE_LEN	4096	/* 6 MB: half a second at 100 Mbit/s */
#define FRAME		14	/* around each packet, on the wire */
#define BURST		64

struct packet {
	uint64_t arrives;	/* ns */
	size_t len;
	char data[PACKET_MAX];
};

struct way {
	int from, to;
	uint64_t free_at;	/* when the wire is */
	size_t head, nr;
	struct packet *queue;
};

struct shape {
	double ns_per_byte;
	uint64_t delay;
	unsigned int loss;
	unsigned int seed;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static int open_tun(const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr)) {
		perror(name);
		exit(1);
	}
	return fd;
}

static bool is_lost(struct shape *s)
{
	return s->loss && (unsigned int)rand_r(&s->seed) % s->loss == 0;
}

/* What has come is put on the wire, which takes it one after the other. */
static void take(struct way *w, struct shape *s)
{
	struct packet lost, *p;

	for (unsigned int i = 0; i < BURST; i++) {
		bool is_full = w->nr == QUEUE_LEN;
		uint64_t now = now_ns();
		ssize_t n;

		p = is_full ? &lost :
			      &w->queue[(w->head + w->nr) % QUEUE_LEN];
		n = read(w->from, p->data, sizeof(p->data));
		if (n <= 0)
			return;
		if (is_full)
			continue;
		if (w->free_at < now)
			w->free_at = now;
		w->free_at += (n + FRAME) * s->ns_per_byte;
		p->len = n;
		p->arrives = w->free_at + s->delay;
		w->nr += !is_lost(s);
	}
}

/* Returns when the next arrives; UINT64_MAX: none is under way. */
static uint64_t deliver(struct way *w)
{
	while (w->nr) {
		struct packet *p = &w->queue[w->head];

		if (p->arrives > now_ns())
			return p->arrives;
		if (write(w->to, p->data, p->len) < 0 && errno != EIO &&
		    errno != EAGAIN)
			perror("write");
		w->head = (w->head + 1) % QUEUE_LEN;
		w->nr--;
	}
	return UINT64_MAX;
}

static struct timespec until(uint64_t at)
{
	uint64_t now = now_ns(), ns = at > now ? at - now : 0;

	return (struct timespec){ ns / 1000000000, ns % 1000000000 };
}

static void run(struct way way[2], struct shape *s)
{
	for (;;) {
		struct pollfd fds[2] = { { way[0].from, POLLIN, 0 },
					 { way[1].from, POLLIN, 0 } };
		uint64_t a = deliver(&way[0]), b = deliver(&way[1]);
		struct timespec t = until(a < b ? a : b);
		bool is_idle = a == UINT64_MAX && b == UINT64_MAX;

		if (ppoll(fds, 2, is_idle ? NULL : &t, NULL) < 0)
			continue;
		for (int i = 0; i < 2; i++)
			if (fds[i].revents)
				take(&way[i], s);
	}
}

int main(int argc, char **argv)
{
	struct way way[2] = { 0 };
	struct shape s;

	if (argc != 7) {
		fprintf(stderr, "usage: long-link A B BITS DELAY LOSS SEED\n");
		return 2;
	}
	s = (struct shape){
		.ns_per_byte = 8e9 / atof(argv[3]),
		.delay = atof(argv[4]) * 1e6,
		.loss = atoi(argv[5]), .seed = atoi(argv[6]),
	};
	way[0].from = way[1].to = open_tun(argv[1]);
	way[1].from = way[0].to = open_tun(argv[2]);
	for (int i = 0; i < 2; i++) {
		way[i].queue = calloc(QUEUE_LEN, sizeof(struct packet));
		if (!way[i].queue)
			return 1;
	}
	puts("ready");
	fflush(stdout);
	run(way, &s);
}

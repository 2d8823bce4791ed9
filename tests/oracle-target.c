// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * oracle-target [options] STATE DIR NAME...: an NBD server for replicad, with a
 * target for each volume of the writer, DIR/NAME.target on DIR/NAME.nbd, that
 * checks every image that it is told to have (oracle-export.h), and breaks
 * connections, hangs and kills in every phase of an epoch (oracle-fault.h).
 *
 * As servers do, it goes on executing requests of a connection that broke; for
 * --stale / 2 at most, so a daemon that waits for stale_wait=STALE is safe.
 *
 * SIGTERM ends it. Status 0: all held; 1: a violation; 2: too little was seen,
 * or something else went wrong.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "nbd-script.h"
#include "oracle-fault.h"

#define MOST_BYTES	(1 << 20)	/* of a request */

static const char usage[] =
"usage: oracle-target [options] STATE DIR NAME...\n"
"  --faults         break connections, and hang\n"
"  --daemon FILE    kill as well: the file has the pid of the daemon\n"
"  --stale MS       how long a broken connection is not done with (1000)\n"
"  --hang MS        the daemon's timeout (1000)\n"
"  --seed N         for the dice (1)\n"
"  --images N, --partial N, --struck N   at least so many must be seen (1, 0, 0)\n"
"  --enough FILE    make it when that, or a violation, has been seen\n";

enum {
	FAULTS = 256, DAEMON, ENOUGH, STALE, HANG, SEED, IMAGES, PARTIAL,
	STRUCK, HELP
};

static const struct option long_options[] = {
	{ "faults", 0, NULL, FAULTS }, { "daemon", 1, NULL, DAEMON },
	{ "enough", 1, NULL, ENOUGH },
	{ "stale", 1, NULL, STALE }, { "hang", 1, NULL, HANG },
	{ "seed", 1, NULL, SEED }, { "images", 1, NULL, IMAGES },
	{ "partial", 1, NULL, PARTIAL }, { "struck", 1, NULL, STRUCK },
	{ "help", 0, NULL, HELP }, { NULL, 0, NULL, 0 },
};

/* Set once, before the threads start. */
static unsigned long option[HELP - FAULTS + 1] = {
	[STALE - FAULTS] = 1000, [HANG - FAULTS] = 1000, [SEED - FAULTS] = 1,
	[IMAGES - FAULTS] = 1,
};
#define OPTION(name)	option[(name) - FAULTS]
static const char *daemon_file, *enough_file;

struct client {
	struct script_server wire;	/* fd, request, payload */
	uint32_t nr;			/* of the export */
	bool is_cut;			/* it was told */
	uint64_t born_ms;		/* under the lock, as all below: */
	uint64_t dead_ms;		/* it has broken; 0: not yet */
	struct client *next;
};

struct port {
	int fd;
	uint32_t nr;
};

static struct exports exports;
static struct faults faults;		/* under exports.lock, as these: */
static struct client *clients;
static uint64_t refuse_until_ms;
static uint64_t nr_late, nr_dropped;	/* requests of broken connections */
static struct port ports[ORACLE_VOLUMES_MAX];

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

static void lock(void)
{
	pthread_mutex_lock(&exports.lock);
}

static void unlock(void)
{
	pthread_mutex_unlock(&exports.lock);
}

static unsigned int dice(unsigned int limit)
{
	unsigned int ret;

	lock();
	ret = faults_below(&faults, limit);
	unlock();
	return ret;
}

/* --- faults --------------------------------------------------------------- */

/* The connections of an export (-1: of all) that were there before @born. */
static void note_dead(int nr, uint64_t born, uint64_t since)
{
	struct client *c;

	lock();
	for (c = clients; c; c = c->next)
		if ((nr < 0 || c->nr == (uint32_t)nr) && c->born_ms <= born &&
		    !c->dead_ms)
			c->dead_ms = since;
	unlock();
}

static void kill_daemon(void)
{
	FILE *file = fopen(daemon_file, "r");
	int pid = 0;

	if (file && fscanf(file, "%d", &pid) == 1 && pid > 1)
		kill(pid, SIGKILL);
	if (file)
		fclose(file);
}

/* The client sees the end at once; what it has sent is executed later. */
static void cut(struct client *c)
{
	uint64_t now = now_ms();

	note_dead(c->nr, now, now);
	c->is_cut = true;
	shutdown(c->wire.fd, SHUT_WR);
	if (!dice(3)) {
		lock();
		refuse_until_ms = now + faults_below(&faults, 300);
		unlock();
	}
}

/* At times so short that nobody notices. */
static void hang(struct client *c)
{
	uint64_t start = now_ms();
	unsigned int ms = OPTION(HANG) / 2 + dice(OPTION(HANG));

	script_sleep_ms(ms);
	if (ms >= OPTION(HANG))
		note_dead(c->nr, start, start + OPTION(HANG));
}

static void strike(struct client *c, enum action action)
{
	if (action == ACTION_HANG) {
		hang(c);
		return;
	}
	if (action == ACTION_KILL) {
		kill_daemon();
		note_dead(-1, now_ms(), now_ms());
	} else {
		cut(c);
	}
	script_sleep_ms(dice(OPTION(STALE) / 4));
}

/* Under the lock. */
static bool is_dropped(struct client *c)
{
	if (!c->dead_ms)
		return false;
	if (now_ms() <= c->dead_ms + OPTION(STALE) / 2) {
		nr_late++;
		return false;
	}
	nr_dropped++;
	return true;
}

/* --- a connection --------------------------------------------------------- */

/* The answer is left in wire.number and, of a read, in wire.payload. */
static void execute(struct client *c)
{
	const struct nbd_request *r = &c->wire.last;
	const void *data = NULL;
	int err = 0;

	lock();
	if (!is_dropped(c))
		err = exports_execute(&exports, c->nr, r, c->wire.payload,
				      &data);
	if (data)
		memcpy(c->wire.payload, data, r->len);
	unlock();
	c->wire.number = err;
}

/* A broken connection has no more answers: what it asks may be dropped. */
static bool is_broken(struct client *c)
{
	bool is_dead;

	lock();
	is_dead = c->dead_ms;
	unlock();
	if (is_dead && !c->is_cut)
		shutdown(c->wire.fd, SHUT_WR);
	c->is_cut = is_dead;
	return is_dead;
}

static void answer(struct client *c)
{
	const struct nbd_request *r = &c->wire.last;

	if (is_broken(c))
		return;
	script_reply(&c->wire, r->cookie, c->wire.number);
	if (r->command == NBD_CMD_READ && !c->wire.number)
		script_send(&c->wire, c->wire.payload, r->len);
}

static void serve_request(struct client *c)
{
	struct fault fault;

	lock();
	fault = faults_draw(&faults, &exports,
			    exports_phase(&exports, c->nr, &c->wire.last,
					  c->wire.payload));
	unlock();
	if (fault.action && !fault.is_after)
		strike(c, fault.action);
	execute(c);
	if (fault.action && fault.is_after)
		strike(c, fault.action);
	answer(c);
}

static void negotiate(struct client *c)
{
	struct script_server *s = &c->wire;
	uint32_t asked;
	char name[80];

	script_greet(s);
	asked = script_get_option(s, true, name, sizeof(name));
	while (asked && asked != NBD_OPT_GO) {
		script_opt(s, NBD_REP_ERR(1), NULL, 0); /* a plain server */
		asked = script_get_option(s, false, name, sizeof(name));
	}
	script_export(s, exports.export[c->nr].bytes, SCRIPT_ALL_FLAGS);
	script_blocks(s, 512, 4096, MOST_BYTES);
	script_opt(s, NBD_REP_ACK, NULL, 0);
}

static void enlist(struct client *c)
{
	lock();
	c->born_ms = now_ms();
	c->next = clients;
	clients = c;
	unlock();
}

static void delist(struct client *c)
{
	struct client **at;

	lock();
	for (at = &clients; *at != c; at = &(*at)->next)
		;
	*at = c->next;
	unlock();
}

static void *client_thread(void *arg)
{
	struct client *c = arg;

	enlist(c);
	negotiate(c);
	while (script_request(&c->wire))
		serve_request(c);
	delist(c);
	close(c->wire.fd);
	free(c);
	return NULL;
}

static bool is_refused(void)
{
	bool ret;

	lock();
	ret = now_ms() < refuse_until_ms;
	unlock();
	return ret;
}

static void *port_thread(void *arg)
{
	struct port *port = arg;
	struct client *c;
	pthread_t thread;
	int fd;

	while ((fd = accept(port->fd, NULL, NULL)) >= 0) {
		c = is_refused() ? NULL : calloc(1, sizeof(*c));
		if (!c) {
			close(fd);
			continue;
		}
		c->wire.fd = fd;
		c->nr = port->nr;
		if (pthread_create(&thread, NULL, client_thread, c))
			break;
		pthread_detach(thread);
	}
	return NULL;
}

/* --- the whole ------------------------------------------------------------ */

static int start_port(uint32_t nr, const char *dir, const char *name)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct port *port = &ports[nr];
	pthread_t thread;

	if (snprintf(un.sun_path, sizeof(un.sun_path), "%s/%s.nbd", dir,
		     name) >= (int)sizeof(un.sun_path))
		return -ENAMETOOLONG;
	port->nr = nr;
	port->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (port->fd < 0 || bind(port->fd, (void *)&un, sizeof(un)) ||
	    listen(port->fd, 20))
		return -errno;
	return -pthread_create(&thread, NULL, port_thread, port);
}

static int start(char **argv)
{
	char *paths[ORACLE_VOLUMES_MAX], **name = argv + 2;
	struct oracle_state *state;
	uint32_t nr, i;
	int err = oracle_state_open(argv[0], &state);

	if (err)
		return err;
	for (nr = 0; name[nr] && nr < ORACLE_VOLUMES_MAX; nr++)
		if (asprintf(&paths[nr], "%s/%s.target", argv[1], name[nr]) < 0)
			return -ENOMEM;
	err = exports_create(&exports, state, paths, nr);
	if (OPTION(FAULTS))
		faults_init(&faults, OPTION(SEED), daemon_file);
	for (i = 0; !err && i < nr; i++)
		err = start_port(i, argv[1], name[i]);
	return err;
}

/* Under the lock. */
static bool is_enough(void)
{
	const unsigned int *done = faults.done;

	return exports.nr_images >= OPTION(IMAGES) &&
	       exports.nr_partial >= OPTION(PARTIAL) &&
	       done[ACTION_CUT] + done[ACTION_KILL] + done[ACTION_HANG] >=
	       OPTION(STRUCK);
}

static void tell_enough(void)
{
	bool told;
	FILE *file;

	lock();
	told = is_enough() || exports.nr_violations;
	unlock();
	if (!told || !enough_file)
		return;
	file = fopen(enough_file, "w");
	if (file)
		fclose(file);
	enough_file = NULL;
}

/* The lock is kept: nothing happens any more. */
static int report(void)
{
	const unsigned int *done = faults.done;

	lock();
	printf("# target: epochs=%" PRIu64 " images=%" PRIu64 " partial=%"
	       PRIu64 " cuts=%u kills=%u hangs=%u kinds=%u/%u late=%" PRIu64 " dropped=%"
	       PRIu64 " violations=%" PRIu64 " check_ms=%" PRIu64
	       "\n", exports.nr_opened,
	       exports.nr_images, exports.nr_partial, done[ACTION_CUT],
	       done[ACTION_KILL], done[ACTION_HANG], faults.nr_kinds,
	       faults.nr, nr_late, nr_dropped,
	       exports.nr_violations, exports.check_us / 1000);
	if (exports.nr_violations)
		return 1;
	if (is_enough())
		return 0;
	printf("# target: too little was seen\n");
	return 2;
}

static int parse_options(int argc, char **argv)
{
	int c;

	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == HELP || c == '?') {
			fputs(usage, c == HELP ? stdout : stderr);
			return c == HELP ? 0 : 2;
		}
		if (c == DAEMON)
			daemon_file = optarg;
		else if (c == ENOUGH)
			enough_file = optarg;
		else
			OPTION(c) = optarg ? strtoul(optarg, NULL, 0) : 1;
	}
	if (argc - optind < 3) {
		fputs(usage, stderr);
		return 2;
	}
	return -1;
}

int main(int argc, char **argv)
{
	const struct timespec nap = { 0, 200000000 };
	int err = parse_options(argc, argv);
	sigset_t set;

	if (err >= 0)
		return err;
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	err = start(argv + optind);
	if (err) {
		fprintf(stderr, "oracle-target: %s\n", strerror(-err));
		return 2;
	}
	while (sigtimedwait(&set, NULL, &nap) < 0)
		tell_enough();
	return report();
}

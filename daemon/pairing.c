// SPDX-License-Identifier: GPL-2.0-or-later
#include "pairing.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"
#include "promotion.h"
#include "routing.h"
#include "stages.h"
#include "state-file.h"

#define MAX_PARAMS	64
#define BACKOFF_MS	500
#define MAX_BACKOFF_MS	30000
#define LONG_LIFE_NS	60000000000ULL
#define KILL_MS		5000
/* A connection whose client has lost power holds nbdkit up; time is short then,
 * and a stage that is killed keeps what it has acknowledged (S3). */
#define HOLD_KILL_MS	1000

static struct ring *ring_of(const struct pairing *p)
{
	return p->daemon->reactors[0].ring;
}

struct pairing *pairing_find(const struct daemon *daemon, const char *name)
{
	struct pairing *p = daemon->pairings;

	while (p && strcmp(p->record.name, name))
		p = p->next;
	return p;
}

/* --- nbdkit ------------------------------------------------------------ */

static void on_timer(struct ring_timer *timer)
{
	struct pairing *p = container_of(timer, struct pairing, timer);

	if (p->state == PAIRING_ENDING || p->holds)
		child_signal(&p->child, SIGKILL);
	else
		pairing_step(p);
}

static void start_later(struct pairing *p)
{
	if (ring_now(ring_of(p)) - p->started_ns > LONG_LIFE_NS)
		p->backoff_ms = 0;
	p->backoff_ms = p->backoff_ms ? 2 * p->backoff_ms : BACKOFF_MS;
	if (p->backoff_ms > MAX_BACKOFF_MS)
		p->backoff_ms = MAX_BACKOFF_MS;
	log_warn(p->record.name, "pair: %s; it is started again in %u ms",
		 p->reason, p->backoff_ms);
	ring_timer_add(ring_of(p), &p->timer, p->backoff_ms);
}

static void on_end(struct child *child, int status)
{
	struct pairing *p = container_of(child, struct pairing, child);

	if (p->holds) {
		ring_timer_cancel(ring_of(p), &p->timer);
		p->holds->held(p->holds->arg);
		return;
	}
	if (p->state == PAIRING_ENDING) {
		pairing_step(p);
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(p->reason, sizeof(p->reason),
			 "nbdkit was ended by signal %d", WTERMSIG(status));
	else
		snprintf(p->reason, sizeof(p->reason), "nbdkit has ended with "
			 "status %d (its reason is in the log)",
			 WEXITSTATUS(status));
	start_later(p);
}

static unsigned int put_params(const struct pairing *p, char **argv)
{
	unsigned int n = 0;
	json_t *param;
	size_t i;

	json_array_foreach(p->record.params, i, param)
		if (n < MAX_PARAMS && json_is_string(param))
			argv[n++] = (char *)json_string_value(param);
	return n;
}

/* U2, U3, U5 */
static void start_child(struct pairing *p)
{
	char host[PAIRING_ADDRESS_LEN], port[8], id[PAIRING_ID_LEN + 8];
	char key[PAIRING_PATH_LEN + 16] = "--tls-psk=", parent[24];
	char verbs[PATH_MAX + 8];
	char *argv[MAX_PARAMS + 16] = {
		"nbdkit", "-f", "--tls=require", key, "-p", port,
	};
	const char *dir = promotion_stage_of(p);
	struct error why = { 0 };
	unsigned int n = 6;
	int err;

	if (dir && stages_note(p->daemon->config.state_dir, dir, &why)) {
		snprintf(p->reason, sizeof(p->reason), "%.110s", why.text);
		start_later(p);
		return;
	}
	pairing_address_split(p->record.address, host, port);
	pairing_path(key + strlen(key), p->daemon->config.state_dir,
		     p->record.name, ".key");
	snprintf(id, sizeof(id), "pair=%s", p->record.id);
	if (p->record.listen[0]) {
		argv[n++] = "-i";
		argv[n++] = p->record.listen;
	}
	argv[n++] = p->daemon->config.plugin;
	argv[n++] = id;
	snprintf(parent, sizeof(parent), "parent=%d", (int)getpid());
	argv[n++] = parent;
	snprintf(verbs, sizeof(verbs), "verbs=%s", p->daemon->config.socket);
	argv[n++] = verbs;
	n += put_params(p, argv + n);
	argv[n] = NULL;
	p->child.ended = on_end;
	p->started_ns = ring_now(ring_of(p));
	err = child_start(&p->child, ring_of(p), argv, STDERR_FILENO);
	if (!err)
		return;
	snprintf(p->reason, sizeof(p->reason), "nbdkit: %s", strerror(-err));
	start_later(p);
}

/* --- life -------------------------------------------------------------- */

struct pairing *pairing_add(struct daemon *daemon,
			    const struct pairing_record *record,
			    enum pairing_state state)
{
	struct pairing *p = calloc(1, sizeof(*p));

	if (p)
		p->routing = routing_create(p);
	if (!p || !p->routing) {
		json_decref(record->params);
		free(p);
		return NULL;
	}
	p->daemon = daemon;
	p->record = *record;
	p->state = state;
	p->listen_fd = -1;
	p->timer.fire = on_timer;
	p->next = daemon->pairings;
	daemon->pairings = p;
	return p;
}

static void free_pairing(struct pairing *p)
{
	struct daemon *daemon = p->daemon;
	struct pairing **link = &daemon->pairings;
	void (*ended)(void *arg) = p->ended;
	void *arg = p->ended_arg;

	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	ring_timer_cancel(ring_of(p), &p->timer);
	ring_timer_cancel(ring_of(p), &p->expiry);
	routing_destroy(p->routing);
	json_decref(p->record.params);
	explicit_bzero(&p->token, sizeof(p->token));
	free(p);
	if (ended)
		ended(arg);
	daemon_wrap_up(daemon);
}

void pairing_step(struct pairing *p)
{
	if (p->listen_fd >= 0 || p->holds)
		return;
	if (p->state == PAIRING_SERVING && !child_runs(&p->child))
		start_child(p);
	if (p->state == PAIRING_SENDING)
		routing_start(p->routing);
	if (p->state == PAIRING_ENDING && !child_runs(&p->child) &&
	    !p->nr_visits && !routing_is_busy(p->routing))
		free_pairing(p);
}

static void end_child(struct pairing *p)
{
	ring_timer_cancel(ring_of(p), &p->timer);
	if (!child_runs(&p->child))
		return;
	child_signal(&p->child, SIGTERM);
	ring_timer_add(ring_of(p), &p->timer, p->holds ? HOLD_KILL_MS :
							 KILL_MS);
}

/* U4 */
int pairing_hold(struct pairing *p, struct pairing_hold *h)
{
	struct pairing_hold **link = &p->holds;

	while (*link)
		link = &(*link)->next;
	h->next = NULL;
	*link = h;
	if (h != p->holds)
		return 1;
	end_child(p);
	return child_runs(&p->child);
}

void pairing_release(struct pairing *p)
{
	assert(p->holds && !child_runs(&p->child));
	p->holds = p->holds->next;
	if (p->holds) {
		p->holds->held(p->holds->arg);
		return;
	}
	p->backoff_ms = 0;
	pairing_step(p);
}

/* create=[GROUP/]NAME:SIZE:BASE */
static bool creates(const char *param, const char *volume)
{
	size_t len = strlen(volume);
	const char *name, *slash;

	if (!param || strncmp(param, "create=", 7))
		return false;
	name = param + 7;
	slash = memchr(name, '/', strcspn(name, ":"));
	if (slash)
		name = slash + 1;
	return !strncmp(name, volume, len) && name[len] == ':';
}

int pairing_forget(struct pairing *p, const char *volume)
{
	size_t n = json_array_size(p->record.params), i = n;

	while (i-- > 0)
		if (creates(json_string_value(json_array_get(p->record.params,
							     i)), volume))
			json_array_remove(p->record.params, i);
	if (json_array_size(p->record.params) == n)
		return 0;
	return pairing_save(p->daemon->config.state_dir, &p->record, NULL);
}

static void end(struct pairing *p)
{
	if (p->state == PAIRING_ENDING)
		return;
	p->state = PAIRING_ENDING;
	routing_end(p->routing);
	end_child(p);
	if (p->listen_fd >= 0)
		pairing_close_door(p);
	else
		pairing_step(p);
}

static void load(void *arg, const char *name)
{
	struct daemon *daemon = arg;
	struct pairing_record record;
	int err = pairing_load(daemon->config.state_dir, name, &record);

	if (err) {
		log_err(name, "the pair cannot be read: %s", state_error(err));
		return;
	}
	pairing_add(daemon, &record, record.is_receiver ? PAIRING_SERVING :
							  PAIRING_SENDING);
}

void pairings_load(struct daemon *daemon)
{
	pairing_each(daemon->config.state_dir, load, daemon);
}

void pairings_start(struct daemon *daemon)
{
	for (struct pairing *p = daemon->pairings; p; p = p->next)
		pairing_step(p);
}

void pairings_stop(struct daemon *daemon)
{
	struct pairing *next;

	for (struct pairing *p = daemon->pairings; p; p = next) {
		next = p->next;
		end(p);
	}
}

static const struct entry *user_of(const struct daemon *daemon,
				   const char *name)
{
	for (struct entry *e = daemon->entries; e; e = e->next)
		if (pairing_target_export(e->config->target, name))
			return e;
	return NULL;
}

int pairing_revoke(struct daemon *daemon, const char *name,
		   void (*ended)(void *arg), void *arg, struct error *err)
{
	struct pairing *p = pairing_find(daemon, name);
	const struct entry *user = user_of(daemon, name);
	int ret = 0;

	if (!p || p->state == PAIRING_ENDING)
		return error_set(err, -ENOENT, "there is no pair %s", name);
	if (user)
		return error_set(err, -EBUSY, "the volume %s is sent to the "
				 "pair %s: disable it first",
				 user->config->name, name);
	if (p->holds)
		return error_set(err, -EBUSY, "a failover is under way in the "
				 "stage of the pair %s", name);
	if (p->state != PAIRING_INVITED)
		ret = pairing_remove(daemon->config.state_dir, name);
	if (ret && ret != -ENOENT)
		return error_set(err, ret, "the pair %s: %s", name,
				 strerror(-ret));
	log_info(name, "pair: revoked");
	p->ended = ended;
	p->ended_arg = arg;
	end(p);
	return 0;
}

/* --- list -------------------------------------------------------------- */

static const char *state_name(const struct pairing *p)
{
	static const char *const names[] = {
		"invited", "serving", "sending", "ending",
	};

	if (p->state == PAIRING_SERVING && !child_runs(&p->child))
		return "restarting";
	return names[p->state];
}

static json_t *pairing_json(const struct pairing *p)
{
	uint64_t now = ring_now(ring_of(p));
	double left = p->expires_ns > now ? (p->expires_ns - now) / 1e9 : 0;

	return json_pack("{ss ss ss ss ss sf si}", "name", p->record.name,
			 "state", state_name(p), "pair_id", p->record.id,
			 "address", p->record.address, "reason",
			 child_runs(&p->child) ? "" : p->reason,
			 "expires_s", p->state == PAIRING_INVITED ? left : 0.0,
			 "server_pid", (int)p->child.pid);
}

json_t *pairings_json(const struct daemon *daemon)
{
	json_t *all = json_array();

	for (struct pairing *p = daemon->pairings; p; p = p->next)
		json_array_append_new(all, pairing_json(p));
	return all;
}

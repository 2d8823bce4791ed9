// SPDX-License-Identifier: GPL-2.0-or-later
#include "ship-rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "identity.h"
#include "insertion.h"
#include "log.h"

struct reactor reactor;
struct rig rigs[NR_RIGS];
struct group *group;
static char folder[64], origin[BYTES];
static uint64_t random_state = 88172645463325252ULL;
static unsigned int scenario;

/* --- running ----------------------------------------------------------- */

static struct waiting {
	struct ring_timer timer;
	condition_fn *condition;
	uint64_t until_ns;
	bool is_true;
} waiting;

static void on_poll(struct ring_timer *timer)
{
	waiting.is_true = waiting.condition && waiting.condition();
	if (waiting.is_true || ring_now(reactor.ring) >= waiting.until_ns)
		ring_stop(reactor.ring);
	else
		ring_timer_add(reactor.ring, timer, 1);
}

/*
 * Runs the daemon until @condition, or without one for @ms. With one that is a
 * limit: a busy machine has ten times as long.
 */
bool run_until(condition_fn *condition, unsigned int ms)
{
	if (condition)
		ms *= 10;
	waiting.timer.fire = on_poll;
	waiting.condition = condition;
	waiting.until_ns = ring_now(reactor.ring) + ms * 1000000ULL;
	ring_timer_add(reactor.ring, &waiting.timer, 0);
	ring_run(reactor.ring);
	return waiting.is_true;
}

void run_for(unsigned int ms)
{
	run_until(NULL, ms);
}

/* --- the application --------------------------------------------------- */

void write_chunk(struct rig *rig, uint64_t chunk)
{
	char buf[CHUNK];

	for (size_t i = 0; i < CHUNK; i += 8) {
		random_state ^= random_state << 13;
		random_state ^= random_state >> 7;
		random_state ^= random_state << 17;
		memcpy(buf + i, &random_state, 8);
	}
	sim_write(rig->name, buf, CHUNK, chunk * CHUNK);
}

void write_chunks(struct rig *rig, uint64_t first, uint64_t nr)
{
	while (nr--)
		write_chunk(rig, first++);
}

bool is_equal(const struct rig *rig)
{
	char path[128];
	int fd;
	bool is;

	snprintf(path, sizeof(path), "%s/%s.img", folder, rig->name);
	fd = open(path, O_RDONLY);
	is = fd >= 0 && read(fd, origin, BYTES) == BYTES &&
	     !memcmp(origin, rig->fake->data, BYTES);
	close(fd);
	return is;
}

/* --- scenarios --------------------------------------------------------- */

bool is_replicating(void)
{
	struct dmr_info info;
	bool is_plain;

	if (group->pair.state != PAIR_REPLICATING)
		return false;
	for (struct volume *v = group->volumes; v; v = v->next)
		if (sim_info(v->config->name, &info, &is_plain) ||
		    info.nr_dirty || info.epoch)
			return false;
	return true;
}

bool is_connecting(void)
{
	return group->pair.state == PAIR_CONNECTING;
}

bool is_error(void)
{
	return group->pair.state == PAIR_ERROR;
}

bool is_falling_behind(void)
{
	return group->pair.state == PAIR_FALLING_BEHIND;
}

bool is_stopped(void)
{
	return group->pair.state == PAIR_DISABLED;
}

void on_stopped(struct group *g)
{
}

bool is_closed(void)
{
	return is_stopped() && !group->stopped;
}

static struct volume_config *make_config(unsigned int i, const char *options)
{
	char error[CONFIG_ERROR_SIZE], target[16], *copy = strdup(options);
	struct volume_config *config = volume_config_create(rigs[i].name);

	snprintf(target, sizeof(target), "fake:%u", i);
	volume_config_set(config, "target", target, error);
	volume_config_set(config, "interval", "10ms", error);
	volume_config_set(config, "heartbeat", "100ms", error);
	volume_config_set(config, "stale_wait", "0", error);
	for (char *key = strtok(copy, " "); key; key = strtok(NULL, " ")) {
		char *value = strchr(key, '=');

		*value++ = 0;
		if (volume_config_set(config, key, value, error))
			printf("# %s\n", error);
	}
	free(copy);
	return config;
}

static void add_volume(unsigned int i, const char *options)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct insertion_past past = { 0 };
	struct kernel_device device;
	struct volume_config *config = make_config(i, options);
	int err = insertion_run(&sim_kernel_ops, folder, config, &past,
				&device, error);

	if (err)
		volume_config_destroy(config);
	else
		err = volume_create(&rigs[i].volume, &reactor, config, &device,
				    error);
	if (!err)
		err = group_add(group, rigs[i].volume, error);
	if (err)
		printf("# volume %u: %s\n", i, error);
}

/* New volumes (not devices) and a new daemon on them. */
void start(unsigned int nr, const char *options)
{
	char error[CONFIG_ERROR_SIZE] = "";

	if (reactor_init(&reactor, &sim_kernel_ops, folder, NULL, error))
		printf("# reactor: %s\n", error);
	group = group_create(&reactor, nr > 1 ? "g" : "v", nr > 1);
	for (unsigned int i = 0; i < nr; i++)
		add_volume(i, options);
	group_start(group);
}

void free_daemon(void)
{
	while (group->volumes) {
		struct volume *v = group->volumes;

		group_remove(group, v);
		volume_destroy(v);
	}
	group_destroy(group);
	reactor_clear(&reactor);
	memset(&reactor, 0, sizeof(reactor));
}

void forget_clean_end(struct rig *rig)
{
	struct identity id;

	if (identity_load(&id, folder, rig->name) || !id.is_closed ||
	    identity_begin_session(&id, folder, rig->name, id.incarnation, 0,
				   0))
		printf("# %s was not closed in order\n", rig->name);
}

static void make_rig(struct rig *rig, unsigned int i)
{
	snprintf(rig->name, sizeof(rig->name), "s%uv%u", scenario, i);
	rig->fake = &fake_targets[i];
	fake_setup(rig->fake, BYTES);
	sim_create(rig->name, BYTES, SIM_CHUNK);
	write_chunks(rig, 0, CHUNKS / 2);
}

/* A fresh device and an empty target for each of @nr volumes. */
void begin(const char *what, unsigned int nr, const char *options)
{
	printf("# %s\n", what);
	scenario++;
	for (unsigned int i = 0; i < nr; i++)
		make_rig(&rigs[i], i);
	start(nr, options);
}

struct dmr_info info_of(const struct rig *rig)
{
	struct dmr_info info = { 0 };
	bool is_plain;

	sim_info(rig->name, &info, &is_plain);
	return info;
}

void rig_setup(void)
{
	snprintf(folder, sizeof(folder), "/tmp/%s.%d",
		 program_invocation_short_name, (int)getpid());
	mkdir(folder, 0700);
	setenv("SIM_DIR", folder, 1);
	log_set_level(LOG_LEVEL_ERR);
}

int rig_clear(void)
{
	char command[100];

	for (int i = 0; i < FAKE_TARGETS; i++)
		fake_clear(&fake_targets[i]);
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return system(command);
}

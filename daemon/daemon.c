// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The ladder: options, configuration, folders, first reactor, control socket,
 * the other reactors, volumes. Stopping: test devices, groups, reactors,
 * control socket.
 *
 * kill -9 is safe at every moment: the kernel aborts the open epoch when the
 * socket closes, targets say hello to the next session, and the two kinds of
 * files in the state folder are replaced whole.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "activation-ask.h"
#include "ask.h"
#include "boot.h"
#include "control.h"
#include "file-copy.h"
#include "given-up.h"
#include "growth.h"
#include "hooks-late.h"
#include "kernel.h"
#include "log.h"
#include "ops.h"
#include "request.h"
#include "pairing.h"
#include "promotion.h"
#include "reload.h"
#include "testdev.h"
#include "watchdog.h"

#define RETRY_MS	1000
#define NS_PER_MS	1000000ULL
#define BIG_BYTES	(128 << 10)	/* a buffer of a pump is bigger */

/* --- entries ----------------------------------------------------------- */

struct entry *daemon_find(const struct daemon *daemon, const char *name)
{
	struct entry *entry = daemon->entries;

	while (entry && strcmp(entry->config->name, name))
		entry = entry->next;
	return entry;
}

struct entry *daemon_add(struct daemon *daemon, struct volume_config *config)
{
	struct entry *entry = calloc(1, sizeof(*entry));
	struct entry **link = &daemon->entries;

	if (!entry) {
		volume_config_destroy(config);
		return NULL;
	}
	entry->config = config;
	while (*link)
		link = &(*link)->next;
	*link = entry;
	return entry;
}

void daemon_remove(struct daemon *daemon, struct entry *entry)
{
	struct entry **link = &daemon->entries;

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
	if (daemon->may_ask == entry)
		daemon->may_ask = NULL;
	volume_config_destroy(entry->config);
	free(entry);
}

bool daemon_is_at_verb(const struct daemon *daemon)
{
	return daemon->nr_methods > daemon->nr_recoveries + ops_aside(daemon);
}

/* config_save() takes a list: link the entries' configs for it. */
int daemon_save(struct daemon *daemon)
{
	struct config list = { .volumes = NULL };
	struct volume_config **link = &list.volumes;

	for (struct entry *e = daemon->entries; e; e = e->next) {
		*link = e->config;
		link = &e->config->next;
	}
	*link = NULL;
	return config_save(&list, daemon->runtime_path);
}

/* --- volumes that do not run ------------------------------------------- */

void daemon_note_told(struct entry *entry)
{
	if (entry)
		snprintf(entry->told, sizeof(entry->told), "%s", entry->error);
}

static void on_started(struct op *op)
{
	struct entry *entry = daemon_find(op->daemon, op->name);

	if (entry && op->err && strcmp(entry->error, entry->told))
		log_err(op->name, "%s", op->error);
	daemon_note_told(entry);
	op_free(op);
}

static void start_entries(struct daemon *daemon)
{
	for (struct entry *e = daemon->entries; e; e = e->next)
		if (!e->reactor && !e->is_disabled)
			op_start(daemon, e->config->name, on_started, NULL);
}

static struct entry *pending_from(struct entry *e)
{
	while (e && (e->reactor || e->is_disabled))
		e = e->next;
	return e;
}

/* B3: the next one that does not run. */
static void take_turn(struct daemon *daemon)
{
	struct entry *e = daemon->may_ask ? daemon->may_ask->next : NULL;

	e = pending_from(e);
	daemon->may_ask = e ? e : pending_from(daemon->entries);
}

int daemon_ask(struct daemon *daemon, const struct entry *entry,
	       char error[CONFIG_ERROR_SIZE])
{
	if (daemon->may_ask == entry)
		return activation_ask(daemon->config.state_dir, entry->config,
				      error);
	snprintf(error, CONFIG_ERROR_SIZE, "%s", entry->error[0] ?
		 entry->error : "not activated yet: its target will be asked "
		 "whether the other site has taken over");
	return entry->err ? entry->err : -EAGAIN;
}

static void on_retry(struct ring_timer *timer)
{
	struct daemon *daemon = container_of(timer, struct daemon, retry);

	if (daemon->is_stopping)
		return;
	if (!daemon->ops) {
		take_turn(daemon);
		start_entries(daemon);
	}
	ring_timer_add(daemon->reactors[0].ring, timer, RETRY_MS);
}

static void on_groups_started(struct op *op)
{
	op_free(op);
}

static void start_volumes(struct daemon *daemon)
{
	daemon->is_starting = true;
	start_entries(daemon);
	op_start_groups(daemon, on_groups_started, NULL);
	daemon->retry.fire = on_retry;
	ring_timer_add(daemon->reactors[0].ring, &daemon->retry, RETRY_MS);
}

/* --- stopping ---------------------------------------------------------- */

static void on_all_stopped(struct op *op)
{
	struct daemon *daemon = op->daemon;

	op_free(op);
	ring_stop(daemon->reactors[0].ring); /* tear_down() ends the others */
}

/* Test devices and questions first, they need no group. */
void daemon_wrap_up(struct daemon *daemon)
{
	if (!daemon->is_stopping || daemon->is_wrapped_up || daemon->asks ||
	    daemon->testdevs || daemon->pairings || daemon->nr_joins ||
	    daemon->nr_promotions || daemon->nr_methods ||
	    daemon->resolutions || daemon->nr_hooks ||
	    daemon->is_reloading)
		return;
	daemon->is_wrapped_up = true;
	op_stop_all(daemon, on_all_stopped, NULL);
}

void daemon_stop(struct daemon *daemon)
{
	if (daemon->is_stopping)
		return;
	daemon->is_stopping = true;
	watchdog_stopping();
	file_copy_stop();
	testdev_drop_all(daemon);
	pairings_stop(daemon);
	ask_cancel_all(daemon);
	daemon_wrap_up(daemon);
}

static void on_reloaded(void *arg, json_t *result)
{
	const json_t *text;
	size_t i;

	json_array_foreach(json_object_get(result, "failed"), i, text)
		log_err(NULL, "%s", json_string_value(text));
	json_array_foreach(json_object_get(result, "restart"), i, text)
		log_warn(NULL, "%s= holds from the next start on",
			 json_string_value(text));
	json_decref(result);
}

/* R1 */
static void reload(struct daemon *daemon)
{
	char error[CONFIG_ERROR_SIZE] = "";

	if (!daemon->is_stopping &&
	    reload_start(daemon, false, on_reloaded, daemon, error))
		log_err(NULL, "nothing was changed: %s", error);
}

static void on_signal(struct ring_signal *sig, int signo)
{
	struct daemon *daemon = container_of(sig, struct daemon, signal);

	if (signo == SIGHUP) {
		reload(daemon);
		return;
	}
	if (daemon->is_stopping)
		_exit(1); /* asked twice: as safe as kill -9 */
	log_info(NULL, "stopping");
	daemon_stop(daemon);
}

/* --- reactors ---------------------------------------------------------- */

struct thread_start {
	struct daemon *daemon;
	struct reactor *reactor;
	pthread_barrier_t ready;
	int err;
	char error[CONFIG_ERROR_SIZE];
};

static void *run_reactor(void *arg)
{
	struct thread_start *start = arg;
	struct reactor *reactor = start->reactor;
	int err = reactor_init(reactor, start->daemon->kernel_ops,
			       start->daemon->config.state_dir,
			       &start->daemon->events, start->error);

	reactor->hooks = &start->daemon->hooks;
	reactor->grown = growth_tell;
	reactor->grown_arg = start->daemon;
	start->err = err;
	pthread_barrier_wait(&start->ready); /* *start is gone after this */
	if (!err) {
		ring_run(reactor->ring);
		reactor_clear(reactor);
	}
	return NULL;
}

static int start_thread(struct daemon *daemon, struct reactor *reactor,
			char error[CONFIG_ERROR_SIZE])
{
	struct thread_start start = { .daemon = daemon, .reactor = reactor };
	int err;

	pthread_barrier_init(&start.ready, NULL, 2);
	err = -pthread_create(&reactor->thread, NULL, run_reactor, &start);
	if (!err) {
		reactor->has_thread = true;
		pthread_barrier_wait(&start.ready);
		err = start.err;
	}
	pthread_barrier_destroy(&start.ready);
	snprintf(error, CONFIG_ERROR_SIZE, "%s", start.error[0] ? start.error :
		 strerror(-err));
	return err;
}

static unsigned int count_reactors(const struct config *config)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);

	if (config->reactors)
		return config->reactors;
	return cores < 1 ? 1 : cores > 64 ? 64 : cores;
}

static int start_threads(struct daemon *daemon, char error[CONFIG_ERROR_SIZE])
{
	unsigned int wanted = count_reactors(&daemon->config);
	int err = 0;

	while (!err && daemon->nr_reactors < wanted) {
		err = start_thread(daemon,
				   &daemon->reactors[daemon->nr_reactors],
				   error);
		daemon->nr_reactors += !err;
	}
	return err;
}

static void on_request(void *arg, const char *device, const char *text)
{
	request_from_kernel(arg, device, text);
}

static int start_first_reactor(struct daemon *daemon,
			       char error[CONFIG_ERROR_SIZE])
{
	unsigned int wanted = count_reactors(&daemon->config);
	int err;

	daemon->reactors = calloc(wanted, sizeof(*daemon->reactors));
	if (!daemon->reactors)
		return -ENOMEM;
	err = reactor_init(&daemon->reactors[0], daemon->kernel_ops,
			   daemon->config.state_dir, &daemon->events, error);
	daemon->nr_reactors = !err;
	daemon->reactors[0].hooks = &daemon->hooks;
	daemon->reactors[0].grown = growth_tell;
	daemon->reactors[0].grown_arg = daemon;
	daemon->reactors[0].request = on_request;
	daemon->reactors[0].request_arg = daemon;
	return err;
}

static void stop_threads(struct daemon *daemon)
{
	for (unsigned int i = 1; i < daemon->nr_reactors; i++) {
		ring_stop(daemon->reactors[i].ring);
		pthread_join(daemon->reactors[i].thread, NULL);
	}
}

/* --- the ladder -------------------------------------------------------- */

static int make_folder(const char *path, mode_t mode, char *error)
{
	if (!mkdir(path, mode) || errno == EEXIST)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "%.250s: %s", path, strerror(errno));
	return -errno;
}

/* One daemon for a state folder; the lock ends with the process. */
static int lock_state(struct daemon *daemon, char *error)
{
	char path[500];
	int fd;

	snprintf(path, sizeof(path), "%.450s/lock", daemon->config.state_dir);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "%.250s: %s", path, errno ==
		 EWOULDBLOCK ? "another replicad runs here" : strerror(errno));
	return -errno;
}

static int override(char **field, const char *value)
{
	char *copy = value ? strdup(value) : NULL;

	if (!value)
		return 0;
	if (!copy)
		return -ENOMEM;
	free(*field);
	*field = copy;
	return 0;
}

static int set_level(struct config *config, const char *level, char *error)
{
	static const char *const levels[] = { "err", "warn", "info", "debug" };

	for (unsigned int i = 0; level && i < 4; i++)
		if (!strcmp(level, levels[i])) {
			config->log_level = i;
			level = NULL;
		}
	log_set_level(config->log_level);
	if (!level)
		return 0;
	snprintf(error, CONFIG_ERROR_SIZE, "--log-level %.50s is not one of "
		 "err, warn, info, debug", level);
	return -EINVAL;
}

static int load_config(struct daemon *daemon, const struct options *options,
		       char error[CONFIG_ERROR_SIZE])
{
	struct config *config = &daemon->config;
	int err = config_init(config);

	if (!err)
		err = config_load_all(config, options->config,
				      options->state_dir, error);
	if (!err)
		err = override(&config->socket, getenv("REPLICA_SOCKET"));
	if (!err)
		err = override(&config->socket, options->socket);
	if (!err)
		err = set_level(config, options->log_level, error);
	snprintf(daemon->runtime_path, sizeof(daemon->runtime_path),
		 "%.450s/volumes.conf", config->state_dir ?: "");
	for (struct config_record *r = config->warnings; !err && r; r = r->next)
		log_warn(NULL, "%s:%d: %s", r->file, r->line, r->value);
	return err;
}

static int make_entries(struct daemon *daemon)
{
	while (daemon->config.volumes) {
		struct volume_config *volume = daemon->config.volumes;

		daemon->config.volumes = volume->next;
		volume->next = NULL;
		if (!daemon_add(daemon, volume))
			return -ENOMEM;
	}
	return 0;
}

static void block_signals(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* What needs the first reactor; undone by tear_down(). */
static int set_up(struct daemon *daemon, char error[CONFIG_ERROR_SIZE])
{
	struct ring *ring = daemon->reactors[0].ring;
	sigset_t set;
	int err;

	daemon->started_ns = ring_now(ring);
	err = control_create(&daemon->control, daemon, ring, error);
	if (err)
		return err;
	block_signals(&set);
	daemon->signal.signal = on_signal;
	err = ring_signal_start(ring, &daemon->signal, &set);
	return err ? err : start_threads(daemon, error);
}

static void tear_down(struct daemon *daemon)
{
	stop_threads(daemon);
	control_close(daemon->control);
	if (daemon->nr_reactors)
		reactor_clear(&daemon->reactors[0]);
	control_free(daemon->control);
	free(daemon->reactors);
	promotions_free(daemon);
	while (daemon->entries)
		daemon_remove(daemon, daemon->entries);
	config_clear(&daemon->config);
}

static int prepare(struct daemon *daemon, char error[CONFIG_ERROR_SIZE])
{
	int err = make_folder(daemon->config.state_dir, 0700, error);

	if (!err)
		err = lock_state(daemon, error);
	if (!err)
		err = make_entries(daemon);
	return err;
}

/* At boot, without reactors, and without the network. */
static int insert(struct daemon *daemon, unsigned int wait_s,
		  char error[CONFIG_ERROR_SIZE])
{
	int err = prepare(daemon, error);

	if (!err)
		err = boot_insert(daemon, wait_s);
	if (err && !error[0])
		snprintf(error, CONFIG_ERROR_SIZE, "not every target is in "
			 "place");
	tear_down(daemon);
	return err;
}

static void set_hooks(struct daemon *daemon)
{
	const char *named = daemon->config.hooks;
	bool is_none = named && !strcmp(named, "none");

	daemon->hooks = (struct hooks){
		.dir = is_none ? NULL : named ?: HOOKS_DEFAULT_DIR,
		.must_exist = named,
		.state_dir = daemon->config.state_dir,
		.socket = daemon->config.socket,
		.limit_ms = daemon->config.hook_timeout_ms,
		.is_stopping = &daemon->is_stopping,
	};
	hooks_check(&daemon->hooks);
}

static int run(struct daemon *daemon, char error[CONFIG_ERROR_SIZE])
{
	sigset_t set;
	int err = prepare(daemon, error);

	set_hooks(daemon);
	if (!err)
		given_up_settle(daemon->config.state_dir);
	if (!err)
		testdev_recover(daemon);
	block_signals(&set);
	if (!err)
		err = start_first_reactor(daemon, error);
	if (!err)
		err = set_up(daemon, error);
	if (!err) {
		log_info(NULL, "started, %u reactor%s", daemon->nr_reactors,
			 daemon->nr_reactors == 1 ? "" : "s");
		pairings_load(daemon);
		promotions_start(daemon);
		pairings_start(daemon);
		hooks_pay_all(daemon);
		ops_recover_made(daemon);
		start_volumes(daemon);
		promotions_end(daemon);
		watchdog_start(daemon->reactors[0].ring);
		err = ring_run(daemon->reactors[0].ring);
	}
	tear_down(daemon);
	return err;
}

/*
 * Whoever started us without them: else a file, or a pipe to a child, becomes
 * what is logged to.
 */
static void open_standard_files(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int daemon_main(int argc, char **argv, const struct kernel_ops *kernel_ops)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct daemon daemon = { .kernel_ops = kernel_ops };
	struct options options;
	int status, err;

	open_standard_files();
	status = options_parse(&options, argc, argv);
	if (status >= 0)
		return status;
	json_object_seed(0); /* before there are threads */
	/* What big buffers took goes back to the system when they are freed. */
	mallopt(M_MMAP_THRESHOLD, BIG_BYTES);
	daemon.last_op = &daemon.ops;
	daemon.options = &options;
	err = load_config(&daemon, &options, error);
	if (err || options.only_check)
		config_clear(&daemon.config);
	else if (options.only_insert)
		err = insert(&daemon, options.wait_s, error);
	else
		err = run(&daemon, error);
	if (err)
		log_err(NULL, "%s", error[0] ? error : strerror(-err));
	else if (!options.only_check && !options.only_insert)
		log_info(NULL, "stopped");
	return err ? 1 : 0;
}

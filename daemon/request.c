// SPDX-License-Identifier: GPL-2.0-or-later
#include "request.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"
#include "log.h"
#include "ops.h"

/* What a request is about, until it has been answered. */
struct told {
	char volume[64];
	char verb[32];
};

static void tell(struct daemon *daemon, const struct told *told, int err,
		 const char *text)
{
	log_line(err ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, told->volume,
		 "request %s: %s", told->verb, err ? text : "done");
	events_tell(&daemon->events, told->volume, "request", "%s: %s",
		    told->verb, err ? text : "done");
}

static void on_done(struct op *op)
{
	struct told *told = op->arg;

	tell(op->daemon, told, op->err, op->error[0] ? op->error :
						      strerror(-op->err));
	free(told);
	op_free(op);
}

/* The volume of a device; a device that is none may become one by its name. */
static const char *volume_of(const struct daemon *daemon, const char *device)
{
	for (struct entry *e = daemon->entries; e; e = e->next)
		if (e->config->device && !strcmp(e->config->device, device))
			return e->config->name;
	return device;
}

static int set_word(struct volume_config *config, char *word, char *error)
{
	char *value = strchr(word, '=');

	if (!value) {
		snprintf(error, CONFIG_ERROR_SIZE, "%.60s is not KEY=VALUE",
			 word);
		return -EINVAL;
	}
	*value++ = 0;
	return volume_config_set(config, word, value, error);
}

static int set_words(const struct daemon *daemon,
		     struct volume_config *config, char **rest,
		     char error[CONFIG_ERROR_SIZE])
{
	char *word = strtok_r(NULL, " ", rest);
	int err = volume_config_set(config, "target", word ? word : "", error);

	while (!err && (word = strtok_r(NULL, " ", rest)))
		err = set_word(config, word, error);
	if (!err)
		err = config_settle(&daemon->config, config, error);
	return err;
}

static struct op *start_enable(struct daemon *daemon, struct told *told,
			       char **rest, char error[CONFIG_ERROR_SIZE])
{
	struct volume_config *config = volume_config_create(told->volume);

	if (!config) {
		snprintf(error, CONFIG_ERROR_SIZE, "not a name for a volume");
		return NULL;
	}
	config->is_runtime = true;
	if (set_words(daemon, config, rest, error)) {
		volume_config_destroy(config);
		return NULL;
	}
	return op_enable(daemon, config, on_done, told);
}

/* What may follow a verb: one of these words, or nothing (0). */
static int take_choice(char **rest, const char *const words[],
		       char error[CONFIG_ERROR_SIZE])
{
	const char *word = strtok_r(NULL, " ", rest);
	int i;

	if (!word)
		return 0;
	for (i = 0; words[i]; i++)
		if (!strcmp(word, words[i]) && !strtok_r(NULL, " ", rest))
			return i + 1;
	snprintf(error, CONFIG_ERROR_SIZE, "%.40s cannot follow it", word);
	return -EINVAL;
}

static struct op *start_pause(struct daemon *daemon, struct told *told,
			      int choice)
{
	return op_pause(daemon, told->volume, on_done, told);
}

static struct op *start_resume(struct daemon *daemon, struct told *told,
			       int choice)
{
	return op_resume(daemon, told->volume, on_done, told);
}

static struct op *start_disable(struct daemon *daemon, struct told *told,
				int choice)
{
	return op_disable(daemon, told->volume, on_done, told);
}

static struct op *start_extend(struct daemon *daemon, struct told *told,
			       int choice)
{
	return op_extend(daemon, told->volume, false, on_done, told);
}

static struct op *start_resync(struct daemon *daemon, struct told *told,
			       int choice)
{
	return op_resync(daemon, told->volume, choice == 1, on_done, told);
}

static struct op *start_verify(struct daemon *daemon, struct told *told,
			       int choice)
{
	return op_verify(daemon, told->volume, choice == 1, choice == 2,
			 on_done, told);
}

static const struct {
	const char *verb;
	struct op *(*start)(struct daemon *daemon, struct told *told,
			    int choice);
	const char *const words[3];	/* that may follow; NULL ends them */
} verbs[] = {
	{ "pause", start_pause, { NULL } },
	{ "resume", start_resume, { NULL } },
	{ "disable", start_disable, { NULL } },
	{ "extend", start_extend, { NULL } },
	{ "resync", start_resync, { "full", NULL } },
	{ "verify", start_verify, { "repair", "stop", NULL } },
};

static struct op *start_op(struct daemon *daemon, struct told *told,
			   char **rest, char error[CONFIG_ERROR_SIZE])
{
	if (!strcmp(told->verb, "enable"))
		return start_enable(daemon, told, rest, error);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		int choice;

		if (strcmp(told->verb, verbs[i].verb))
			continue;
		choice = take_choice(rest, verbs[i].words, error);
		return choice < 0 ? NULL : verbs[i].start(daemon, told, choice);
	}
	snprintf(error, CONFIG_ERROR_SIZE, "there is no such request; there "
		 "are pause, resume, disable, enable, extend, resync, verify");
	return NULL;
}

void request_from_kernel(struct daemon *daemon, const char *device,
			 const char *text)
{
	char copy[1024], error[CONFIG_ERROR_SIZE] = "no memory", *rest, *verb;
	struct told *told = calloc(1, sizeof(*told));

	if (!told)
		return;
	snprintf(copy, sizeof(copy), "%s", text);
	verb = strtok_r(copy, " ", &rest);
	snprintf(told->volume, sizeof(told->volume), "%s",
		 volume_of(daemon, device));
	snprintf(told->verb, sizeof(told->verb), "%s", verb ? verb : "");
	if (daemon->is_stopping) {
		free(told);
	} else if (!start_op(daemon, told, &rest, error)) {
		tell(daemon, told, -EINVAL, error);
		free(told);
	}
}

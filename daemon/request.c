// SPDX-License-Identifier: GPL-2.0-or-later
#include "request.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "log.h"

/* Words are between spaces; there is no way to quote one. */
static const struct verb {
	const char *verb, *action;	/* the second word of some, or NULL */
	const char *method;
	/* What follows, in this order: */
	const char *said;		/* this very word: a flag */
	const char *text;		/* any word: the text of this name */
	const char *number;		/* perhaps digits: of this name */
	const char *flags[3];		/* perhaps one of these words */
	const char *keys;		/* any KEY=VALUE: in this object */
	bool is_of_all;			/* not of this volume alone */
} verbs[] = {
	{ "pause", .method = "pause" },
	{ "resume", .method = "resume" },
	{ "recover", .method = "recover" },
	{ "disable", .method = "disable" },
	{ "enable", .method = "enable", .text = "target", .keys = "options" },
	{ "extend", .method = "extend", .number = "size_bytes" },
	{ "resync", .method = "resync", .flags = { "full" } },
	{ "verify", .method = "verify", .flags = { "repair", "stop" } },
	{ "failover", .method = "failover", .said = "planned",
	  .flags = { "group" } },
	{ "snapshot", .method = "snapshot", .text = "name" },
	{ "clone", .method = "clone", .text = "name" },
	{ "set-type", .method = "set_type", .text = "type" },
	{ "target", "add", "target_add", .text = "id", .keys = "keys",
	  .is_of_all = true },
	{ "target", "set", "target_set", .text = "id", .keys = "keys",
	  .is_of_all = true },
	{ "target", "remove", "target_remove", .text = "id",
	  .is_of_all = true },
	{ "target", "use", "target_use", .text = "id" },
};

#define NR_VERBS	(sizeof(verbs) / sizeof(verbs[0]))

/* --- the outcome ---------------------------------------------------------- */

/* What a request is about, until it has been answered. */
struct told {
	struct daemon *daemon;
	char volume[64];
	char verb[32];
};

/* @text: what went wrong, or NULL. */
static void tell(const struct told *told, const char *text)
{
	log_line(text ? LOG_LEVEL_WARN : LOG_LEVEL_INFO, told->volume,
		 "request %s: %s", told->verb, text ?: "done");
	events_tell(&told->daemon->events, told->volume, "request", "%s: %s",
		    told->verb, text ?: "done");
}

/* What was done to many may have failed for one of them. */
static void on_answer(void *arg, int exit_status, const char *text,
		      json_t *result)
{
	const char *failed = json_string_value(json_array_get(
				json_object_get(result, "failed"), 0));
	struct told *told = arg;
	char why[300];

	if (failed) {
		snprintf(why, sizeof(why), "%s: %.200s",
			 strcmp(told->verb, "recover") ?
			 "done, but it does not run" : "it is not well yet",
			 failed);
		text = why;
	}
	tell(told, text);
	free(told);
}

/* --- what was said -------------------------------------------------------- */

static const char *next_word(char **rest)
{
	return strtok_r(NULL, " ", rest);
}

static int refuse_word(const char *word, char error[CONFIG_ERROR_SIZE])
{
	snprintf(error, CONFIG_ERROR_SIZE, "%.40s cannot follow it", word);
	return -EINVAL;
}

static int refuse_lack(const char *what, char error[CONFIG_ERROR_SIZE])
{
	snprintf(error, CONFIG_ERROR_SIZE, "%s is missing", what);
	return -EINVAL;
}

static int put_number(json_t *params, const char *key, const char *word,
		      char error[CONFIG_ERROR_SIZE])
{
	char *end;
	long long value;

	errno = 0;
	value = strtoll(word, &end, 10);
	if (errno || *end || value <= 0) {
		snprintf(error, CONFIG_ERROR_SIZE, "%.40s is not a number of "
			 "bytes", word);
		return -EINVAL;
	}
	json_object_set_new(params, key, json_integer(value));
	return 0;
}

static int put_flag(json_t *params, const struct verb *verb, const char *word,
		    char error[CONFIG_ERROR_SIZE])
{
	for (const char *const *flag = verb->flags; *flag; flag++)
		if (!strcmp(*flag, word)) {
			json_object_set_new(params, word, json_true());
			return 0;
		}
	return refuse_word(word, error);
}

static int put_keys(json_t *params, const struct verb *verb, const char *word,
		    char **rest, char error[CONFIG_ERROR_SIZE])
{
	json_t *keys = json_object();

	json_object_set_new(params, verb->keys, keys);
	for (; word; word = next_word(rest)) {
		const char *value = strchr(word, '=');

		if (!value || value == word) {
			snprintf(error, CONFIG_ERROR_SIZE,
				 "%.60s is not KEY=VALUE", word);
			return -EINVAL;
		}
		json_object_setn_new(keys, word, value - word,
				     json_string(value + 1));
	}
	return 0;
}

/* What a verb cannot do without; *@word: the first that follows it. */
static int put_needed(json_t *params, const struct verb *verb,
		      const char **word, char **rest,
		      char error[CONFIG_ERROR_SIZE])
{
	*word = next_word(rest);
	if (verb->said) {
		if (!*word || strcmp(*word, verb->said))
			return refuse_lack(verb->said, error);
		json_object_set_new(params, verb->said, json_true());
		*word = next_word(rest);
	}
	if (verb->text) {
		if (!*word)
			return refuse_lack(verb->text, error);
		json_object_set_new(params, verb->text, json_string(*word));
		*word = next_word(rest);
	}
	return 0;
}

static int put_words(json_t *params, const struct verb *verb, char **rest,
		     char error[CONFIG_ERROR_SIZE])
{
	const char *word;
	int err = put_needed(params, verb, &word, rest, error);

	if (err)
		return err;
	if (verb->keys)
		return put_keys(params, verb, word, rest, error);
	if (!word)
		return 0;
	err = verb->number ? put_number(params, verb->number, word, error) :
			     put_flag(params, verb, word, error);
	word = next_word(rest);
	return err || !word ? err : refuse_word(word, error);
}

/* NULL: there is none. @error: those that there are. */
static const struct verb *find_verb(const char *word, char **rest,
				    char error[CONFIG_ERROR_SIZE])
{
	const char *action = NULL, *last = "";
	size_t len;

	for (const struct verb *v = verbs; v < verbs + NR_VERBS; v++) {
		if (strcmp(v->verb, word))
			continue;
		if (v->action && !action)
			action = next_word(rest) ?: "";
		if (!v->action || !strcmp(v->action, action))
			return v;
	}
	len = snprintf(error, CONFIG_ERROR_SIZE, "there is no such request; "
		       "there are");
	for (const struct verb *v = verbs; v < verbs + NR_VERBS; v++) {
		if (strcmp(v->verb, last))
			len += snprintf(error + len, CONFIG_ERROR_SIZE - len,
					"%s %s", *last ? "," : "", v->verb);
		last = v->verb;
	}
	return NULL;
}

/* A word that is not would be no parameter: something else would be done. */
static bool is_utf8(const char *text, char error[CONFIG_ERROR_SIZE])
{
	json_t *whole = json_string(text);
	bool ret = whole;

	if (!ret)
		snprintf(error, CONFIG_ERROR_SIZE, "it is not UTF-8");
	json_decref(whole);
	return ret;
}

/* The volume of a device; a device that is none may become one by its name. */
static const char *volume_of(const struct daemon *daemon, const char *device)
{
	for (struct entry *e = daemon->entries; e; e = e->next)
		if (e->config->device && !strcmp(e->config->device, device))
			return e->config->name;
	return device;
}

/* Whoever may send it messages is root (dm.c asks for CAP_SYS_ADMIN). */
static int start(struct told *told, const struct verb *verb, char **rest,
		 char error[CONFIG_ERROR_SIZE])
{
	json_t *params = verb->is_of_all ? json_object() :
				 json_pack("{ss}", "volume", told->volume);
	struct request *request;
	int err = params ? put_words(params, verb, rest, error) : -ENOMEM;

	if (err) {
		json_decref(params);
		return err;
	}
	request = request_create(told->daemon, params, on_answer, told);
	if (!request)
		return -ENOMEM;
	method_call(request, verb->method);
	return 0;
}

void request_from_kernel(struct daemon *daemon, const char *device,
			 const char *text)
{
	char copy[1024], error[CONFIG_ERROR_SIZE] = "no memory", *rest, *word;
	struct told *told = calloc(1, sizeof(*told));
	const struct verb *verb;

	if (!told)
		return;
	told->daemon = daemon;
	snprintf(copy, sizeof(copy), "%s", text);
	word = strtok_r(copy, " ", &rest) ?: "";
	snprintf(told->volume, sizeof(told->volume), "%s",
		 volume_of(daemon, device));
	snprintf(told->verb, sizeof(told->verb), "%s", word);
	verb = is_utf8(text, error) ? find_verb(word, &rest, error) : NULL;
	if (verb && !start(told, verb, &rest, error))
		return;		/* on_answer has it */
	tell(told, error);
	free(told);
}

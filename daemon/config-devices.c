// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Where a backend replicates to, in the spellings of Cinder and of the
 * specification that came before it:
 *
 *	valid_replication_devices = 'backend=A', 'remote_device={'k'='v' …}'
 *	replication_device = backend_id:ID,k:v		(one each time)
 *	replication_devices = A, B
 *	replication_devices = {k=v …}, {…}	(managed_replication_target=no)
 *
 * Each becomes a target: managed where another backend is named, else a server
 * that is only written to. An item is split off at a comma outside of braces;
 * quotes around it are taken off, those inside of braces belong to keys and
 * values (which may nest the same quote, so no quote is ever looked for across
 * a brace).
 */
#include "config-impl.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PAIRS	24
#define MAX_PART	256

struct pair_text {
	char key[64];
	char value[MAX_PART];
};

struct list {
	struct config *config;
	struct section *backend;
	const struct config_record *record;	/* of the key */
	const char *text, *at;		/* the whole value; the item */
	unsigned int count;		/* of targets without an id */
	char *error;
	int err;
	struct pair_text pairs[MAX_PAIRS];
	unsigned int nr_pairs;
};

/* What continues a value keeps its line ends, and so do further lines. */
static int line_at(const struct list *list, const char *at)
{
	int line = list->record->line;

	for (const char *p = list->text; p < at; p++)
		line += *p == '\r' || *p == '\n';
	return line;
}

static int refuse_at(struct list *list, const char *at, const char *fmt,
		     const char *arg)
{
	int line = line_at(list, at);
	char text[200];

	snprintf(text, sizeof(text), fmt, arg);
	return config_refuse(list->error, -EINVAL, "%.120s:%d: %s: %s",
			     list->record->file, line, list->record->key,
			     text);
}

/* The first word there, for a message; no more, there may be secrets (N4). */
static const char *word_at(const char *p, char word[24])
{
	size_t len = strspn(p, "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-"
			       "abcdefghijklmnopqrstuvwxyz0123456789");

	snprintf(word, 24, "%.*s", len > 20 ? 20 : (int)len, p);
	return word;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static const char *skip_blanks(const char *p, const char *end)
{
	while (p < end && is_blank(*p))
		p++;
	return p;
}

static const char *trim_end(const char *p, const char *end)
{
	while (end > p && is_blank(end[-1]))
		end--;
	return end;
}

/* --- pairs ------------------------------------------------------------- */

static int take_part(struct list *list, const char **p, const char *end,
		     const char *stops, char *part, size_t size)
{
	const char *start = *p, *stop;
	size_t len;

	if (start < end && (*start == '\'' || *start == '"')) {
		stop = memchr(start + 1, *start, end - start - 1);
		if (!stop)
			return refuse_at(list, start, "a quote is not closed%s",
					 "");
		start++;
		*p = stop + 1;
	} else {
		for (stop = start; stop < end && !strchr(stops, *stop);)
			stop++;
		*p = stop;
		stop = trim_end(start, stop);
	}
	len = stop - start;
	if (len >= size)
		return refuse_at(list, start, "a key or value is too long%s",
				 "");
	memcpy(part, start, len);
	part[len] = 0;
	return 0;
}

static const char *value_of(const struct list *list, const char *key)
{
	for (unsigned int i = 0; i < list->nr_pairs; i++)
		if (!strcmp(list->pairs[i].key, key))
			return list->pairs[i].value;
	return NULL;
}

/* The pair at *p, of a text in which blanks separate pairs too, or do not. */
static int take_pair(struct list *list, const char **p, const char *end,
		     bool has_blanks)
{
	struct pair_text *pair = &list->pairs[list->nr_pairs];
	const char *at = *p;
	int err;

	if (list->nr_pairs == MAX_PAIRS)
		return refuse_at(list, at, "too many pairs%s", "");
	err = take_part(list, p, end, has_blanks ? "=:, \t\r" : "=:,",
			pair->key, sizeof(pair->key));
	if (err)
		return err;
	*p = skip_blanks(*p, end);
	/* It may be the rest of a password with a comma in it. */
	if (list->nr_pairs && (*p == end || (**p != '=' && **p != ':')))
		return refuse_at(list, at, "what comes after %.60s is not "
				 "KEY=VALUE: a value with a comma needs quotes",
				 pair[-1].key);
	if (*p == end || (**p != '=' && **p != ':') || !pair->key[0])
		return refuse_at(list, at, "\"%.60s\" is not KEY=VALUE",
				 pair->key);
	if (strpbrk(pair->key, "{}"))
		return refuse_at(list, at, "a brace in the key \"%.60s\": here "
				 "there are none around the pairs", pair->key);
	if (value_of(list, pair->key))
		return refuse_at(list, at, "%.60s is there twice", pair->key);
	*p = skip_blanks(*p + 1, end);
	err = take_part(list, p, end, has_blanks ? ", \t\r" : ",",
			pair->value, sizeof(pair->value));
	list->nr_pairs += !err;
	return err;
}

static int take_pairs(struct list *list, const char *p, const char *end,
		      bool has_blanks)
{
	int err = 0;

	list->nr_pairs = 0;
	p = skip_blanks(p, end);
	while (!err && p < end) {
		err = take_pair(list, &p, end, has_blanks);
		p = skip_blanks(p, end);
		if (!err && p < end && *p != ',' && !has_blanks)
			return refuse_at(list, p, "a comma is missing%s", "");
		while (p < end && (*p == ',' || is_blank(*p)))
			p++;
	}
	if (!err && !list->nr_pairs)
		return refuse_at(list, p, "there is nothing in it%s", "");
	return err;
}

/* --- targets ----------------------------------------------------------- */

/* What was added at run time gives way to a file. */
static int drop_runtime(struct list *list, struct section *old)
{
	struct section **link = &list->config->sections;
	char text[300];
	int err;

	snprintf(text, sizeof(text), "the target %s is ignored: %.150s:%d has "
		 "one", old->name, list->record->file, list->record->line);
	err = record_add(&list->config->warnings, "", text, old->file,
			 old->line);
	while (*link != old)
		link = &(*link)->next;
	*link = old->next;
	section_free(old);
	return err;
}

static struct section *add_target(struct list *list, const char *id)
{
	struct section *old = config_section(list->config, SECTION_TARGET, id);
	struct section *target;

	if (!volume_name_is_valid(id) || !strcmp(id, "default")) {
		list->err = refuse_at(list, list->at, strcmp(id, "default") ?
			"\"%.60s\" is not a name for a target: use letters, "
			"digits and . _ -" : "no target can be named %s: that "
			"is where a failback goes", id);
		return NULL;
	}
	if (old && old->is_runtime) {
		list->err = drop_runtime(list, old);
		if (list->err)
			return NULL;
	} else if (old) {
		list->err = refuse_at(list, list->at, "the target %.60s is "
				      "there already", id);
		return NULL;
	}
	target = section_add(list->config, SECTION_TARGET, id);
	if (!target) {
		list->err = -ENOMEM;
		return NULL;
	}
	target->owner = strdup(list->backend->name);
	target->file = strdup(list->record->file);
	target->line = line_at(list, list->at);
	if (!target->owner || !target->file)
		list->err = -ENOMEM;
	return target;
}

static int add_owner(struct section *target, const char *backend)
{
	char *owners;

	if (asprintf(&owners, "%s,%s", target->owner, backend) < 0)
		return -ENOMEM;
	free(target->owner);
	target->owner = owners;
	return 0;
}

/* Two backends may replicate to a third: then it is one target. */
static int add_managed(struct list *list, const char *name)
{
	struct section *old = config_section(list->config, SECTION_TARGET,
					     name);
	struct section *target;

	if (old && old->to_backend && !strcmp(old->to_backend, name) &&
	    old->owner && !section_names(old->owner, list->backend->name))
		return add_owner(old, list->backend->name);
	if (config_section(list->config, SECTION_BACKEND, name) ==
	    list->backend)
		return refuse_at(list, list->at, "%.60s would replicate to "
				 "itself", name);
	target = add_target(list, name);
	if (target && !list->err)
		list->err = key_set_text(
			key_find(section_keys(SECTION_TARGET), "backend"),
			target, name);
	return list->err;
}

/* nbd://HOST:PORT/EXPORT of the words that describe a server. */
static char *make_uri(const struct list *list)
{
	const char *host = value_of(list, "host"), *uri = value_of(list, "uri");
	const char *port = value_of(list, "port");
	const char *export = value_of(list, "export");
	const char *user = value_of(list, "user");
	const char *keys = value_of(list, "psk_file");
	char *text;

	if (!uri)
		uri = value_of(list, "url");
	if (uri)
		return strdup(uri);
	if (!host || asprintf(&text, "%s://%s%s%s%s%s/%s%s%s",
			      keys ? "nbds" : "nbd", user ? user : "",
			      user ? "@" : "", host, port ? ":" : "",
			      port ? port : "", export ? export : "{volume}",
			      keys ? "?tls-psk-file=" : "",
			      keys ? keys : "") < 0)
		return NULL;
	return text;
}

static bool is_used(const char *key)
{
	static const char *const used[] = { "backend_id", "id", "host", "port",
		"export", "user", "psk_file", "uri", "url", "tls" };

	for (size_t i = 0; i < sizeof(used) / sizeof(used[0]); i++)
		if (!strcmp(key, used[i]))
			return true;
	return false;
}

/* N4 */
static void keep_pair(FILE *out, const struct pair_text *pair)
{
	char *value = config_masked(pair->value);

	fprintf(out, "%s%s=%s", ftell(out) ? " " : "", pair->key,
		!value || config_is_secret(pair->key) ? "***" : value);
	free(value);
}

static int keep_extra(struct list *list, struct section *target)
{
	size_t len = 0;
	FILE *out = open_memstream(&target->extra, &len);

	if (!out)
		return -ENOMEM;
	for (unsigned int i = 0; i < list->nr_pairs; i++) {
		const struct pair_text *pair = &list->pairs[i];

		if (!is_used(pair->key))
			keep_pair(out, pair);
	}
	return fclose(out) ? -ENOMEM : 0;
}

/* Of [backend_defaults], and so of several backends: it is one target. */
static bool is_inherited_twice(const struct list *list,
			       const struct section *old)
{
	return old && old->owner && old->file &&
	       !section_names(old->owner, list->backend->name) &&
	       old->line == line_at(list, list->at) &&
	       !strcmp(old->file, list->record->file);
}

static int add_remote(struct list *list)
{
	const char *id = value_of(list, "backend_id");
	const char *tls = value_of(list, "tls");
	char own_id[80];
	struct section *target, *old;

	if (!id)
		id = value_of(list, "id");
	if (!id) {
		snprintf(own_id, sizeof(own_id), "%.60s-%u",
			 list->backend->name, ++list->count);
		id = own_id;
	}
	old = config_section(list->config, SECTION_TARGET, id);
	if (is_inherited_twice(list, old))
		return add_owner(old, list->backend->name);
	target = add_target(list, id);
	if (!target || list->err)
		return list->err;
	target->uri = make_uri(list);
	if (!target->uri)
		return refuse_at(list, list->at, "%.60s has neither uri= nor "
				 "host=: where is it?", id);
	if (tls)
		target->tls = strdup(tls);
	return tls && !target->tls ? -ENOMEM : keep_extra(list, target);
}

/* --- items ------------------------------------------------------------- */

static bool begins_with(const char **p, const char *end, const char *word)
{
	size_t len = strlen(word);
	const char *q;

	if ((size_t)(end - *p) < len || strncmp(*p, word, len))
		return false;
	q = skip_blanks(*p + len, end);
	if (q == end || *q != '=')
		return false;
	*p = skip_blanks(q + 1, end);
	return true;
}

static int take_braces(struct list *list, const char *p, const char *end)
{
	char word[24];

	if (p == end || *p != '{' || end[-1] != '}')
		return refuse_at(list, p, "want {KEY=VALUE …}, not \"%s\"",
				 word_at(p, word));
	return take_pairs(list, p + 1, end - 1, true) ?: add_remote(list);
}

static int take_name(struct list *list, const char *p, const char *end)
{
	char name[64], word[24];

	if (*p == '{')
		return refuse_at(list, p, "want the name of a backend%s: {…} "
				 "needs managed_replication_target=no", "");
	if ((size_t)(end - p) >= sizeof(name))
		return refuse_at(list, p, "\"%s…\" is too long",
				 word_at(p, word));
	snprintf(name, sizeof(name), "%.*s", (int)(end - p), p);
	return add_managed(list, name);
}

static int take_valid_device(struct list *list, const char *p, const char *end)
{
	char word[24];

	if (begins_with(&p, end, "backend"))
		return take_name(list, p, end);
	if (begins_with(&p, end, "remote_device"))
		return take_braces(list, p, end);
	return refuse_at(list, p, "want backend=NAME or remote_device={…}, not "
			 "\"%s\"", word_at(p, word));
}

static int take_device(struct list *list, const char *p, const char *end)
{
	return list->backend->is_managed ? take_name(list, p, end) :
					   take_braces(list, p, end);
}

/* The comma, or the end, behind the item. NULL: a brace is not closed. */
static const char *item_end(const char *p)
{
	int depth = 0;

	for (; *p && (depth || *p != ','); p++) {
		depth += (*p == '{') - (*p == '}');
		if (depth < 0)
			return NULL;
	}
	return depth ? NULL : p;
}

static int take_item(struct list *list, const char *p, const char *end,
		     int (*take)(struct list *list, const char *p,
				 const char *end))
{
	char word[24];

	p = skip_blanks(p, end);
	end = trim_end(p, end);
	list->at = p;
	if (p == end)
		return refuse_at(list, p, "there is nothing between two "
				 "commas%s", "");
	if (*p == '\'' || *p == '"') {
		if (end - p < 2 || end[-1] != *p)
			return refuse_at(list, p, "the quote before \"%s\" is "
					 "not closed at the end of the item",
					 word_at(p + 1, word));
		p++;
		end--;
	}
	return take(list, p, end);
}

static int take_list(struct list *list, const char *p,
		     int (*take)(struct list *list, const char *p,
				 const char *end))
{
	int err = 0;

	while (!err && *p) {
		const char *end = item_end(p);

		if (!end)
			return refuse_at(list, p, "a brace has no other half%s",
					 "");
		err = take_item(list, p, end, take);
		p = *end ? end + 1 : end;
		if (!err && *end && !*p)
			return refuse_at(list, end, "there is nothing behind "
					 "the last comma%s", "");
	}
	return err;
}

static int take_lines(struct list *list)
{
	const char *p = list->text;
	int err = 0;

	while (!err && *p) {
		const char *end = strchrnul(p, '\n');

		list->at = p;
		err = take_pairs(list, p, trim_end(p, end), false);
		if (!err && !value_of(list, "backend_id"))
			err = refuse_at(list, p, "there is no backend_id%s", "");
		if (!err && config_section(list->config, SECTION_BACKEND,
					   value_of(list, "backend_id")) &&
		    list->nr_pairs == 1)
			err = add_managed(list, value_of(list, "backend_id"));
		else if (!err)
			err = add_remote(list);
		p = *end ? end + 1 : end;
	}
	return err;
}

static int take_key(struct list *list, const char *key, const char *text,
		    int (*take)(struct list *list, const char *p,
				const char *end))
{
	list->text = text;
	list->record = record_find(list->backend->records, key);
	if (!text || !list->record)
		return 0;
	return take ? take_list(list, text, take) : take_lines(list);
}

int devices_expand(struct config *config, struct section *backend,
		   char error[CONFIG_ERROR_SIZE])
{
	struct list list = { .config = config, .backend = backend,
			     .error = error };
	int err = take_key(&list, "valid_replication_devices",
			   backend->valid_devices, take_valid_device);

	if (!err)
		err = take_key(&list, "replication_device",
			       backend->device_lines, NULL);
	if (!err)
		err = take_key(&list, "replication_devices",
			       backend->device_list, take_device);
	if (err == -ENOMEM)
		config_refuse(error, err, "no memory");
	return err;
}

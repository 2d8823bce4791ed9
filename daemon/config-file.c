// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reading a file. inih splits lines; what it does not tell is seen when it asks
 * for them: the number of the line, sections without a key, lines that go on
 * with the value above, and those that are longer than it can take.
 *
 * F1 a line is taken whole or refused: none is cut.
 * F2 a section is there if its title is, keys or not.
 */
#include "config-impl.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/nearest.h"

#define MAX_NAME_LEN	48	/* inih cuts a longer one */

/* What the lines of a section set. */
struct place {
	const struct key *keys;		/* NULL: any */
	void *base;
	struct config_record **records;
	struct volume_config *volume;	/* if it is one */
};

struct parse {
	struct config *config;
	const char *path;
	FILE *file;
	bool is_runtime;
	struct section *skipped;	/* a target that a file has too … */
	struct volume_config *skipped_volume;	/* … or a volume */
	struct place place;
	char section[80];		/* the one that @place belongs to */
	char cinder[80];		/* a title: of a backend, maybe */
	int cinder_line;
	bool is_ignored;		/* [DEFAULT] of cinder.conf */
	char line[512];			/* the last that was read */
	char last[MAX_NAME_LEN + 1];	/* the key that may go on … */
	int last_line;			/* … from here */
	int lineno;
	int err, err_line;
	char error[CONFIG_ERROR_SIZE];	/* without file and line */
};

/* --- sections ---------------------------------------------------------- */

static int no_memory(struct parse *parse)
{
	return config_refuse(parse->error, -ENOMEM, "no memory");
}

static int note_place(struct parse *parse, char **file, int *line)
{
	*file = strdup(parse->path);
	*line = parse->lineno;
	return *file ? 0 : no_memory(parse);
}

static int refuse_twice(struct parse *parse, const char *what, const char *name,
			const char *file, int line)
{
	return config_refuse(parse->error, -EEXIST, "%s %s is there already: "
			     "%.120s:%d", what, name, file ? file : "", line);
}

/* N4: who forgot the "]" and the end of the line may have a secret in it. */
static const char *shown(const char *title, char text[64])
{
	size_t len = strspn(title, "ABCDEFGHIJKLMNOPQRSTUVWXYZ._-/"
				   "abcdefghijklmnopqrstuvwxyz0123456789");

	snprintf(text, 64, "%.*s%s", len > 40 ? 40 : (int)len, title,
		 title[len] || len > 40 ? "…" : "");
	return text;
}

/* What was added at run time gives way to a file: both are told. */
static int warn_of_both(struct parse *parse, const char *what,
			const char *name, const char *file, int line)
{
	char text[300];

	snprintf(text, sizeof(text), "the %s %s is ignored: %.150s:%d has one",
		 what, name, file, line);
	return record_add(&parse->config->warnings, "", text, parse->path,
			  parse->lineno);
}

static int skip_volume(struct parse *parse, const struct volume_config *winner)
{
	volume_config_destroy(parse->skipped_volume);
	parse->skipped_volume = volume_config_create(winner->name);
	if (!parse->skipped_volume ||
	    warn_of_both(parse, "volume", winner->name, winner->file,
			 winner->line))
		return no_memory(parse);
	parse->place = (struct place){ volume_keys, parse->skipped_volume,
				       &parse->skipped_volume->records,
				       parse->skipped_volume };
	return 0;
}

static int skip_target(struct parse *parse, const struct section *winner)
{
	struct config scratch = { 0 };

	section_free(parse->skipped);
	parse->skipped = section_add(&scratch, SECTION_TARGET, winner->name);
	if (!parse->skipped || warn_of_both(parse, "target", winner->name,
					    winner->file, winner->line))
		return no_memory(parse);
	parse->place = (struct place){ section_keys(SECTION_TARGET),
				       parse->skipped,
				       &parse->skipped->records, NULL };
	return 0;
}

static int begin_volume(struct parse *parse, const char *name)
{
	struct volume_config **link = &parse->config->volumes;
	struct volume_config *volume = config_find(parse->config, name);
	char text[64];

	if (!volume_name_is_valid(name))
		return config_refuse(parse->error, -EINVAL, "\"%s\" is not "
				     "a volume name: use letters, digits and "
				     ". _ -", shown(name, text));
	if (volume && parse->is_runtime && !volume->is_runtime)
		return skip_volume(parse, volume);
	if (volume)
		return refuse_twice(parse, "volume", name, volume->file,
				    volume->line);
	volume = volume_config_create(name);
	if (!volume)
		return no_memory(parse);
	while (*link)
		link = &(*link)->next;
	*link = volume;
	volume->is_runtime = parse->is_runtime;
	parse->place = (struct place){ volume_keys, volume, &volume->records,
				       volume };
	return note_place(parse, &volume->file, &volume->line);
}

static int begin_named(struct parse *parse, enum section_kind kind,
		       const char *name)
{
	struct section *section;
	char text[64];

	if (!volume_name_is_valid(name))
		return config_refuse(parse->error, -EINVAL, "\"%s\" is not "
				     "a name for a %s: use letters, digits and "
				     ". _ -", shown(name, text),
				     section_word(kind));
	if (kind == SECTION_TARGET && !strcmp(name, "default"))
		return config_refuse(parse->error, -EINVAL, "no target can "
				     "be named default: that is where a "
				     "failback goes");
	section = config_section(parse->config, kind, name);
	if (section && parse->is_runtime && kind == SECTION_TARGET &&
	    !section->is_runtime)
		return skip_target(parse, section);
	if (section)
		return refuse_twice(parse, section_word(kind), name,
				    section->file, section->line);
	section = section_add(parse->config, kind, name);
	if (!section)
		return no_memory(parse);
	section->is_runtime = parse->is_runtime;
	parse->place = (struct place){ section_keys(kind), section,
				       &section->records, NULL };
	return note_place(parse, &section->file, &section->line);
}

static int begin_defaults(struct parse *parse)
{
	struct config scratch = { 0 };
	struct section *section = parse->config->defaults;

	if (!section)
		section = section_add(&scratch, SECTION_BACKEND,
				      "backend_defaults");
	if (!section)
		return no_memory(parse);
	parse->config->defaults = section;
	parse->place = (struct place){ section_keys(SECTION_BACKEND), section,
				       &section->records, NULL };
	return section->file ? 0 : note_place(parse, &section->file,
					      &section->line);
}

static const char *nearest_title(const char *title)
{
	static const char *const words[] = { "replicad", "volume",
		"backend_defaults", "backend", "target", "type", "group",
		"pool", "pair" };
	char word[40];

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(title, " "), title);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (nearest_is_close(word, words[i],
				     nearest_distance(word, words[i])))
			return words[i];
	return NULL;
}

static int refuse_title(struct parse *parse, const char *title)
{
	const char *near = nearest_title(title);
	char text[64];

	if (parse->cinder_line)
		parse->err_line = parse->cinder_line;
	return config_refuse(parse->error, -EINVAL, "there is no section "
			     "[%s]%s%s%s: there are [replicad], [volume "
			     "NAME], [backend NAME], [backend_defaults], "
			     "[target ID], [type NAME], [group NAME], [pool "
			     "NAME], [pair NAME]", shown(title, text),
			     near ? ", the nearest is \"" : "",
			     near ? near : "", near ? "\"" : "");
}

/* What Cinder's services have for themselves. */
static int ignore(struct parse *parse, const char *title)
{
	return record_add(&parse->config->warnings, "", "nothing of [DEFAULT] "
			  "is used here", parse->path, parse->lineno) ?
	       no_memory(parse) : 0;
}

static int begin_section(struct parse *parse, const char *title)
{
	const char *name;
	int kind = section_kind_of(title, &name);

	snprintf(parse->section, sizeof(parse->section), "%s", title);
	parse->place = (struct place){ 0 };
	parse->cinder[0] = parse->last[0] = 0;
	parse->cinder_line = 0;
	parse->is_ignored = !strcmp(title, "DEFAULT");
	if (parse->is_ignored)
		return ignore(parse, title);
	if (kind >= 0)
		return begin_named(parse, kind, name);
	if (!strncmp(title, "volume ", 7))
		return begin_volume(parse, title + 7);
	if (!strcmp(title, "backend_defaults"))
		return begin_defaults(parse);
	if (!strcmp(title, "replicad")) {
		parse->place = (struct place){ daemon_keys, parse->config,
					       &parse->config->records, NULL };
		return 0;
	}
	if (!volume_name_is_valid(title))
		return refuse_title(parse, title);
	/* As in cinder.conf? The first key tells. */
	snprintf(parse->cinder, sizeof(parse->cinder), "%s", title);
	parse->cinder_line = parse->lineno;
	return 0;
}

/* A section of cinder.conf has no word before the name of the backend. */
static int begin_cinder(struct parse *parse, const char *key)
{
	char title[sizeof(parse->cinder)];
	int lineno = parse->lineno, err;

	snprintf(title, sizeof(title), "%s", parse->cinder);
	parse->cinder[0] = 0;
	if (strcmp(key, "volume_driver") && strcmp(key, "volume_backend_name") &&
	    !strstr(key, "replication_"))
		return refuse_title(parse, title);
	parse->lineno = parse->cinder_line;
	err = begin_named(parse, SECTION_BACKEND, title);
	parse->lineno = lineno;
	return err;
}

/* --- lines ------------------------------------------------------------- */

static int note(struct parse *parse, const char *key, const char *value)
{
	return record_add(parse->place.records, key, value, parse->path,
			  parse->lineno) ? no_memory(parse) : 0;
}

/* inih takes the ":" of a scoped key for the "=": look at the line itself. */
static int set_spec(struct parse *parse, const char *name, const char *value)
{
	const char *line = parse->line + strspn(parse->line, " \t");
	size_t len = strcspn(line, "=");
	const char *equals = strchr(value, '=');
	char key[2 * MAX_NAME_LEN];

	if (line[strcspn(line, "=:")] != ':')
		return note(parse, name, value);
	if (!line[len] || !equals)
		return config_refuse(parse->error, -EINVAL, "%s: a spec is "
				     "KEY=VALUE", name);
	while (len && strchr(" \t", line[len - 1]))
		len--;
	if (len > MAX_NAME_LEN)
		return config_refuse(parse->error, -EINVAL, "the key %.60s… is "
				     "too long", name);
	snprintf(key, sizeof(key), "%.*s", (int)len, line);
	equals++;
	return note(parse, key, equals + strspn(equals, " \t"));
}

/* So that line ends in the value still tell the line of each (KEY_LINES). */
static int pad_lines(struct parse *parse, const struct key *key)
{
	const struct config_record *first = record_find(*parse->place.records,
							key->name);
	const char *p = *key_text(key, parse->place.base) ?: "";
	int pad = first ? parse->lineno - first->line - 1 : 0;

	for (; first && *p; p++)
		pad -= *p == '\r' || *p == '\n';
	return pad <= 0 ? 0 : key_continue(parse->place.keys, parse->place.base,
					   key->name, "", pad, parse->error);
}

/* Of a key that may stand again, the first line is kept. */
static int note_key(struct parse *parse, const char *name)
{
	const struct key *key = key_find(parse->place.keys, name);

	if (key->type == KEY_LINES && record_find(*parse->place.records, name))
		return 0;
	return note(parse, name, NULL);
}

static int set_single(struct parse *parse, const char *name, const char *value)
{
	struct place *place = &parse->place;
	const struct key *key = key_find(place->keys, name);
	int err = key && key->type == KEY_LINES ? pad_lines(parse, key) : 0;

	return err ? err : key_set(place->keys, place->base, name, value,
				   parse->error);
}

static int set_value(struct parse *parse, const char *name, const char *value)
{
	struct place *place = &parse->place;
	bool goes_on = strchr(" \t", parse->line[0]) &&
		       !strcmp(name, parse->last);
	int err;

	if (!place->keys)
		return goes_on ? config_refuse(parse->error, -EINVAL, "a line "
			"that begins with a blank goes on with %s above: take "
			"the blank away", name) : set_spec(parse, name, value);
	if (goes_on)
		err = key_continue(place->keys, place->base, name, value,
				   parse->lineno - parse->last_line,
				   parse->error);
	else if (place->volume)
		err = volume_config_set(place->volume, name, value,
					parse->error);
	else
		err = set_single(parse, name, value);
	if (err == -ENOMEM)
		return no_memory(parse);
	if (!err && goes_on && place->volume)
		volume_config_has_own(place->volume, name);
	return err || goes_on ? err : note_key(parse, name);
}

static int parse_line(struct parse *parse, const char *section,
		      const char *name, const char *value)
{
	int err = 0;

	if (strncmp(section, parse->section, MAX_NAME_LEN))
		err = begin_section(parse, section);
	if (!err && parse->cinder[0])
		err = begin_cinder(parse, name);
	if (err || parse->is_ignored)
		return err;
	if (!parse->place.records)
		return config_refuse(parse->error, -EINVAL, "\"%.60s\" is in no "
				     "section", name);
	if (strlen(name) >= MAX_NAME_LEN)
		return config_refuse(parse->error, -EINVAL, "the key %.60s… is "
				     "too long", name);
	err = set_value(parse, name, value);
	snprintf(parse->last, sizeof(parse->last), "%s", name);
	parse->last_line = parse->lineno;
	return err;
}

/* Called by inih for each "key=value"; 0 = wrong. Only the first is kept. */
static int on_line(void *arg, const char *section, const char *name,
		   const char *value)
{
	struct parse *parse = arg;

	if (parse->err)
		return 0;
	parse->err_line = parse->lineno;
	parse->err = parse_line(parse, section, name, value ?: "");
	return !parse->err;
}

static int see_title(struct parse *parse)
{
	char title[sizeof(parse->section)];
	size_t len = strcspn(parse->line, "]");

	if (parse->line[0] != '[' || !parse->line[len])
		return 0;
	if (parse->cinder[0])
		return refuse_title(parse, parse->cinder);
	snprintf(title, sizeof(title), "%.*s", (int)len - 1, parse->line + 1);
	return begin_section(parse, title);
}

/* Called by inih for each line. */
static char *read_line(char *line, int size, void *arg)
{
	struct parse *parse = arg;

	if (parse->err || !fgets(parse->line, sizeof(parse->line), parse->file))
		return NULL;
	parse->err_line = ++parse->lineno;
	if (strcspn(parse->line, "\n") + 3 > (size_t)size)
		parse->err = config_refuse(parse->error, -E2BIG, "the line is "
			"longer than %d letters: go on in the next one, which "
			"then begins with a blank", size - 3);
	else if (!config_is_utf8(parse->line))
		parse->err = config_refuse(parse->error, -EILSEQ, "the line is "
					   "not UTF-8");
	else
		parse->err = see_title(parse);
	if (parse->err)
		return NULL;
	return strcpy(line, parse->line);
}

/* --- files ------------------------------------------------------------- */

static int refuse_file(const char *path, int err, char *error)
{
	return config_refuse(error, err, "%.200s: cannot be read: %s", path,
			     strerror(-err));
}

static int parse_file(struct parse *parse, char error[CONFIG_ERROR_SIZE])
{
	int line = ini_parse_stream(read_line, parse, on_line, parse);

	if (!parse->err && !line && parse->cinder[0])
		parse->err = refuse_title(parse, parse->cinder);
	if (parse->err && (line <= 0 || line >= parse->err_line))
		return config_refuse(error, parse->err, "%.120s:%d: %.250s",
				     parse->path, parse->err_line,
				     parse->error);
	if (line > 0)
		return config_refuse(error, -EINVAL, "%.120s:%d: is neither "
				     "[section] nor key=value", parse->path,
				     line);
	return ferror(parse->file) ? refuse_file(parse->path, -EIO, error) : 0;
}

int config_read(struct config *config, const char *path, bool is_runtime,
		char error[CONFIG_ERROR_SIZE])
{
	struct parse parse = {
		.config = config,
		.path = path,
		.is_runtime = is_runtime,
		.file = fopen(path, "re"),
	};
	int err;

	if (!parse.file)
		return refuse_file(path, -errno, error);
	err = parse_file(&parse, error);
	section_free(parse.skipped);
	volume_config_destroy(parse.skipped_volume);
	fclose(parse.file);
	return err;
}

static int is_conf(const struct dirent *entry)
{
	size_t len = strlen(entry->d_name);

	return entry->d_name[0] != '.' && len > 5 &&
	       !strcmp(entry->d_name + len - 5, ".conf");
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

int config_read_folder(struct config *config, const char *path,
		       char error[CONFIG_ERROR_SIZE])
{
	char folder[480], file[800];
	struct dirent **names;
	int nr, err = 0;

	snprintf(folder, sizeof(folder), "%.470s.d", path);
	nr = scandir(folder, &names, is_conf, by_name);
	if (nr < 0)
		return errno == ENOENT ? 0 : refuse_file(folder, -errno, error);
	for (int i = 0; i < nr; i++) {
		snprintf(file, sizeof(file), "%s/%s", folder,
			 names[i]->d_name);
		if (!err)
			err = config_read(config, file, false, error);
		free(names[i]);
	}
	free(names);
	return err;
}

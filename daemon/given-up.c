// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * D1 The note is one file: all that are in it are given up, or none is.
 * D2 Who is in it has "begun" in its NAME.id, durably, and nobody is put in one
 *    twice: so an old one says nothing of a volume that was enabled, or
 *    promoted, since.
 * D3 One that cannot be read may be of any of those that have begun: they stay
 *    closed, and the file is named. That is no answer: nothing is noted, ended
 *    or paid for it, and it is asked again.
 */
#include "given-up.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "state-file.h"

/* Members of one group may live on, each on a thread of its own. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static int path_of(char path[PATH_MAX], const char *state_dir,
		   const char *name)
{
	return snprintf(path, PATH_MAX, "%s/given-up%s%s%s", state_dir,
			*name ? "/" : "", name, *name ? ".json" : "") >=
	       PATH_MAX ? -ENAMETOOLONG : 0;
}

/* --- the file ------------------------------------------------------------- */

static int write_note(const char *path, json_t *volumes)
{
	json_t *root = json_pack("{si sO}", "schema_version", 1, "volumes",
				 volumes);
	char *text = root ? json_dumps(root, JSON_INDENT(1)) : NULL;
	int err = text ? state_file_write(path, text, strlen(text)) : -ENOMEM;

	free(text);
	json_decref(root);
	return err;
}

/* The volumes of it, or NULL and -errno. */
static json_t *read_note(const char *path, int *err)
{
	json_t *root, *volumes, *one;
	size_t i;

	*err = state_json_read(path, &root);
	if (*err)
		return NULL;
	volumes = json_incref(json_object_get(root, "volumes"));
	json_decref(root);
	*err = json_array_size(volumes) ? 0 : -EBADMSG;
	json_array_foreach(volumes, i, one)
		if (!json_is_string(one))
			*err = -EBADMSG;
	if (!*err)
		return volumes;
	json_decref(volumes);
	return NULL;
}

/* Where @volume is in it; -1: it is not. */
static int place_of(const json_t *volumes, const char *volume)
{
	for (size_t i = 0; i < json_array_size(volumes); i++)
		if (!strcmp(json_string_value(json_array_get(volumes, i)),
			    volume))
			return i;
	return -1;
}

/* --- all that there are --------------------------------------------------- */

struct search {
	const char *state_dir, *volume;
	int (*found)(const char *path, json_t *volumes, int at);
	unsigned int nr;
	int err;			/* the first */
};

static void look(void *arg, const char *name)
{
	struct search *s = arg;
	char path[PATH_MAX];
	int err = path_of(path, s->state_dir, name), at;
	json_t *volumes = err ? NULL : read_note(path, &err);

	at = volumes ? place_of(volumes, s->volume) : -1;
	s->nr += at >= 0;
	if (at >= 0 && s->found)
		err = s->found(path, volumes, at);
	if (!s->err)
		s->err = err;
	json_decref(volumes);
}

/* Calls s->found for each that @volume is in. */
static int search(struct search *s)
{
	char path[PATH_MAX];
	int err = 0;

	s->err = path_of(path, s->state_dir, "");
	pthread_mutex_lock(&lock);
	if (!s->err)
		err = state_folder_each(path, look, s);
	pthread_mutex_unlock(&lock);
	return s->err ? s->err : err;
}

static int remove_note(const char *path, json_t *volumes, int at)
{
	return state_file_remove(path);
}

static int remove_name(const char *path, json_t *volumes, int at)
{
	json_array_remove(volumes, at);
	return json_array_size(volumes) ? write_note(path, volumes) :
					  state_file_remove(path);
}

int given_up_drop(const char *state_dir, const char *volume)
{
	struct search s = { .state_dir = state_dir, .volume = volume,
			    .found = remove_name };

	return search(&s);
}

/* Who could not sync it has removed it, perhaps: nobody finds it then. */
int given_up_cancel(const char *state_dir, const char *volume)
{
	struct search s = { .state_dir = state_dir, .volume = volume,
			    .found = remove_note };
	char path[PATH_MAX];
	int err = search(&s);

	if (!err)
		err = path_of(path, state_dir, "");
	if (!err)
		err = state_folder_sync(path);
	return err == -ENOENT ? 0 : err;	/* there never was one */
}

int given_up_note(const char *state_dir, const char *const *volumes,
		  unsigned int nr)
{
	json_t *all = json_array();
	char path[PATH_MAX], name[17];
	int err = path_of(path, state_dir, "");
	uint64_t id;

	identity_random(&id, sizeof(id));
	snprintf(name, sizeof(name), "%016" PRIx64, id);
	if (!err)
		err = state_folder_make(path);
	for (unsigned int i = 0; i < nr; i++)
		json_array_append_new(all, json_string(volumes[i]));
	if (!err)
		err = path_of(path, state_dir, name);
	pthread_mutex_lock(&lock);
	if (!err)
		err = json_array_size(all) == nr ? write_note(path, all) :
						   -ENOMEM;
	pthread_mutex_unlock(&lock);
	json_decref(all);
	return err;
}

/* --- of volumes that are not enabled -------------------------------------- */

static int note_idle(const char *state_dir, const char *volume,
		     enum given_up given_up)
{
	struct identity id;
	int err = identity_load(&id, state_dir, volume);

	return err || id.given_up == given_up ? err :
	       identity_note_given_up(&id, state_dir, volume, given_up);
}

/* D2 */
static int begin_idle(const char *state_dir, const char *volume)
{
	int err = given_up_drop(state_dir, volume);

	return err && err != -ENOENT ? err :
	       note_idle(state_dir, volume, GIVEN_UP_BEGUN);
}

/* Each knows it by itself, and the note may go; else the next start does it. */
static void settle_idle(const char *state_dir, const char *const *volumes,
			unsigned int nr)
{
	int err = 0;

	for (unsigned int i = 0; i < nr; i++)
		err = note_idle(state_dir, volumes[i], GIVEN_UP_DONE) ?: err;
	if (!err)
		given_up_cancel(state_dir, volumes[0]);
}

int given_up_note_idle(const char *state_dir, const char *const *volumes,
		       unsigned int nr, bool *is_unsure)
{
	int err = 0;

	*is_unsure = false;
	for (unsigned int i = 0; !err && i < nr; i++)
		err = begin_idle(state_dir, volumes[i]);
	if (!err) {
		err = given_up_note(state_dir, volumes, nr);
		*is_unsure = err && given_up_cancel(state_dir, volumes[0]);
	}
	if (!err) {
		settle_idle(state_dir, volumes, nr);
		return 0;
	}
	for (unsigned int i = 0; !*is_unsure && i < nr; i++)
		note_idle(state_dir, volumes[i], GIVEN_UP_NO);
	return err;
}

/* D2, D3 */
int given_up_is(const char *state_dir, const char *volume,
		 const struct identity *id)
{
	struct search s = { .state_dir = state_dir, .volume = volume };
	int err;

	if (id->given_up != GIVEN_UP_BEGUN)
		return id->given_up == GIVEN_UP_DONE;
	err = search(&s);
	return s.nr ? 1 : err;
}

/* --- at the start --------------------------------------------------------- */

static int settle_volume(const char *state_dir, const char *volume)
{
	struct identity id;
	int err = identity_load(&id, state_dir, volume);

	return err || id.given_up != GIVEN_UP_BEGUN ? err :
	       identity_note_given_up(&id, state_dir, volume, GIVEN_UP_DONE);
}

static void settle(void *arg, const char *name)
{
	const char *state_dir = arg;
	char path[PATH_MAX];
	int err = path_of(path, state_dir, name);
	json_t *volumes = err ? NULL : read_note(path, &err), *one;
	size_t i;

	json_array_foreach(volumes, i, one)
		if (!err)
			err = settle_volume(state_dir, json_string_value(one));
	if (!err)
		err = state_file_remove(path);
	if (err)
		log_err(NULL, "%.200s: %s: what was being given up stays "
			"closed", path, state_error(err));
	json_decref(volumes);
}

void given_up_settle(const char *state_dir)
{
	char path[PATH_MAX];

	if (!path_of(path, state_dir, ""))
		state_folder_each(path, settle, (void *)state_dir);
}

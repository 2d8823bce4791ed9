// SPDX-License-Identifier: GPL-2.0-or-later
#include "direct.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "history-json.h"
#include "history.h"
#include "ring.h"
#include "uri.h"

#define DEADLINE_S	15
#define STAGE		"stage:"

struct asking {
	struct ring *ring;
	const char *target;
	json_t *result;
	struct error err;
};

static bool has_volume(const struct args *args)
{
	return args->nr_words > 0;
}

char *direct_target(const struct args *args, int *status)
{
	const char *text = args_value(args, "target");
	struct error err = { 0 };
	struct nbd_uri uri;
	char *target;

	*status = STATUS_OK;
	if (!text)
		return NULL;
	if (!strncmp(text, STAGE, strlen(STAGE)))
		return strdup(text);	/* replicad knows what may be there */
	if (nbd_uri_parse(&uri, text, &err)) {
		*status = ctl_fail(args, STATUS_USAGE, "--target=%.100s: %s",
				   text, err.text);
		return NULL;
	}
	target = history_uri(text, !*uri.export && has_volume(args) ?
				   args->words[0] : "");
	nbd_uri_free(&uri);
	if (!target)
		*status = ctl_fail(args, STATUS_FAILED, "no memory");
	return target;
}

static void on_history(void *arg, const struct history *h,
		       const struct error *err)
{
	struct asking *a = arg;

	if (h)
		a->result = history_json(h, a->target);
	else
		a->err = *err;
	ring_stop(a->ring);
}

static int status_of(int err)
{
	switch (err) {
	case -ENOENT: return STATUS_NOT_FOUND;
	case -EOPNOTSUPP: return STATUS_REFUSED;
	case -ETIMEDOUT: return STATUS_TIMEOUT;
	case -EACCES: case -EPERM: return STATUS_PERMISSION;
	default: return STATUS_FAILED;
	}
}

json_t *direct_history(const struct args *args, const char *target,
		       int *status)
{
	struct asking a = { .target = target };
	int err = ring_create(&a.ring, NULL);

	*status = STATUS_OK;
	if (err) {
		*status = ctl_fail(args, STATUS_FAILED, "io_uring: %s",
				   strerror(-err));
		return NULL;
	}
	if (history_fetch_start(a.ring, target,
				ctl_timeout(args, DEADLINE_S) * 1000,
				on_history, &a))
		ring_run(a.ring);
	ring_destroy(a.ring);
	if (!a.result)
		*status = ctl_fail(args, status_of(a.err.code), "%s",
				   a.err.code ? a.err.text : "no memory");
	return a.result;
}

/* stage:DIR/VOLUME, whoever has it open. */
static json_t *view_history(const struct args *args, const char *target,
			    int *status)
{
	size_t len = strcspn(target, "?");
	char *dir = strndup(target + strlen(STAGE), len - strlen(STAGE));
	char *slash = dir ? strrchr(dir, '/') : NULL;
	struct history h = { 0 };
	struct error err = { 0 };
	json_t *result = NULL;

	*status = STATUS_OK;
	if (!slash || slash == dir || !slash[1]) {
		free(dir);
		*status = ctl_fail(args, STATUS_USAGE, "--target=%.100s: want "
				   "stage:DIR/VOLUME", target);
		return NULL;
	}
	*slash = 0;
	if (!history_view(&h, dir, slash + 1, &err))
		result = history_json(&h, target);
	history_clear(&h);
	free(dir);
	if (!result)
		*status = ctl_fail(args, status_of(err.code), "%s",
				   err.code ? err.text : "no memory");
	return result;
}

json_t *history_get(const struct args *args, int *status)
{
	const char *text = args_value(args, "target");
	json_t *result;
	char *target;

	if (text && !strncmp(text, STAGE, strlen(STAGE)))
		return view_history(args, text, status);
	target = direct_target(args, status);
	if (*status)
		return NULL;
	if (target) {
		result = direct_history(args, target, status);
		free(target);
		return result;
	}
	if (!has_volume(args)) {
		*status = ctl_fail(args, STATUS_USAGE,
				   "a VOLUME, or --target URI, is needed");
		return NULL;
	}
	return ctl_call(args, "history", json_pack("{ss}", "volume",
						   args->words[0]), status);
}

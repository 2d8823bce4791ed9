// SPDX-License-Identifier: GPL-2.0-or-later
/* The methods pair_*. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "daemon.h"
#include "methods.h"
#include "pairing.h"
#include "promotion.h"

/* The parameter @key, or NULL after a refusal. */
static const char *need(struct request *request, const char *key)
{
	const char *text = request_text(request, key);

	if (!text)
		request_refuse(request, 2, "%s is missing", key);
	return text;
}

static int copy_text(char *to, size_t size, const char *from, const char *what,
		     struct error *err)
{
	if (from && strlen(from) >= size)
		return error_set(err, -EINVAL, "%s is too long", what);
	snprintf(to, size, "%s", from ?: "");
	return 0;
}

static int fill_record(struct request *request, const char *name,
		       const char *address, struct pairing_record *record,
		       struct error *err)
{
	json_t *params = json_object_get(request->params, "params");
	int ret = copy_text(record->name, sizeof(record->name), name,
			    "the name", err);

	if (!ret)
		ret = copy_text(record->address, sizeof(record->address),
				address, "the address", err);
	if (!ret)
		ret = copy_text(record->listen, sizeof(record->listen),
				request_text(request, "listen"),
				"the address to listen at", err);
	if (!ret && !json_is_array(params))
		ret = error_set(err, -EINVAL, "params is not a list");
	record->params = json_incref(params);
	return ret;
}

static unsigned int lifetime(const struct request *request)
{
	double s = json_number_value(json_object_get(request->params,
						     "expires_s"));

	return s > 0 && s < PAIRING_INVITE_MS / 1000 ? s * 1000 :
						       PAIRING_INVITE_MS;
}

void do_pair_invite(struct request *request)
{
	const char *name = need(request, "name");
	const char *address = name ? need(request, "address") : NULL;
	struct pairing_record record = { 0 };
	char token[PAIRING_TOKEN_LEN];
	struct error err = { 0 };
	unsigned int ms = lifetime(request);

	if (!address)
		return;
	if (fill_record(request, name, address, &record, &err))
		json_decref(record.params);
	else
		pairing_invite(request->daemon, &record, ms, token, &err);
	if (err.code)
		method_refuse(request, &err);
	else
		request_answer(request, json_pack("{si ss sf}",
						  "schema_version", 1, "token",
						  token, "expires_s",
						  ms / 1e3));
	explicit_bzero(token, sizeof(token));
}

static void on_joined(void *arg, const struct error *err)
{
	struct request *request = arg;

	if (err)
		method_refuse(request, err);
	else
		request_answer(request, json_pack("{si}", "schema_version", 1));
}

void do_pair_join(struct request *request)
{
	const char *name = need(request, "name");
	const char *token = name ? need(request, "token") : NULL;
	struct error err = { 0 };

	if (token && pairing_join(request->daemon, name, token, on_joined,
				  request, &err))
		method_refuse(request, &err);
}

void do_pair_list(struct request *request)
{
	request_answer(request, json_pack("{si so}", "schema_version", 1,
					  "pairs",
					  pairings_json(request->daemon)));
}

/* --- revoke --------------------------------------------------------------- */

struct revocation {
	struct request *request;
	char *dir;		/* of what is left; NULL: nothing is */
};

static void on_ended(void *arg)
{
	struct revocation *x = arg;

	request_answer(x->request, x->dir ? json_pack("{ss}", "dir", x->dir) :
					    NULL);
	free(x->dir);
	free(x);
}

/* With the pair goes the only one here who knows where its replicas are. */
static struct revocation *create(struct request *request, const char *name)
{
	const struct pairing *p = pairing_find(request->daemon, name);
	const char *dir = p ? promotion_stage_of(p) : NULL;
	struct revocation *x = calloc(1, sizeof(*x));

	if (x)
		*x = (struct revocation){ .request = request,
					  .dir = dir ? strdup(dir) : NULL };
	return x;
}

void do_pair_revoke(struct request *request)
{
	const char *name = need(request, "name");
	struct revocation *x = name ? create(request, name) : NULL;
	struct error err = { 0 };

	if (!name)
		return;
	if (!x)
		error_set(&err, -ENOMEM, "no memory");
	else if (!pairing_revoke(request->daemon, name, on_ended, x, &err))
		return;
	method_refuse(request, &err);
	free(x ? x->dir : NULL);
	free(x);
}

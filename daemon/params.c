// SPDX-License-Identifier: GPL-2.0-or-later
#include "params.h"

#include <string.h>

#include "control.h"
#include "version.h"

#define USAGE	2

/* What stands behind the name in @spec, or NULL: it is not there. */
static const char *find(const char *spec, const char *name)
{
	size_t len;

	for (; *spec; spec += len + (spec[len] == ' ')) {
		size_t word = strcspn(spec, "?#{[ ");

		len = strcspn(spec, " ");
		if (word == strlen(name) && !memcmp(spec, name, word))
			return spec + word;
	}
	return NULL;
}

/* NULL: it is of that type. Else the type. */
static const char *wanted(char type, const json_t *value)
{
	switch (type) {
	case '?':
		return json_is_boolean(value) ? NULL : "true or false";
	case '#':
		return json_is_number(value) ? NULL : "a number";
	case '{':
		return json_is_object(value) ? NULL : "an object";
	case '[':
		return json_is_array(value) ? NULL : "a list";
	default:
		return json_is_string(value) ? NULL : "a text";
	}
}

bool params_check(struct request *request, const char *method,
		  const char *spec)
{
	const char *key, *type, *want;
	json_t *value;
	void *next;

	json_object_foreach_safe(request->params, next, key, value) {
		type = find(spec, key);
		if (type && json_is_null(value)) {
			json_object_del(request->params, key);
			continue;
		}
		want = type ? wanted(*type, value) : NULL;
		if (type && !want)
			continue;
		if (want)
			request_refuse(request, USAGE, "%s: %s is not %s",
				       method, key, want);
		else
			request_refuse(request, USAGE, "%s: replicad "
				       REPLICA_VERSION " knows no parameter "
				       "%.60s", method, key);
		return false;
	}
	return true;
}

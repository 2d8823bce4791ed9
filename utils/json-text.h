/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * JSON that only passes through, as text: the status of a thousand volumes is
 * 1.3 MiB, and a tree of it costs ten times as much as the walk along it.
 *
 * J1 nothing is read beyond the text's end, whatever is in it.
 * J2 of text that is JSON, json_text_get finds what json_object_get would, and
 *    json_text_indent writes what json_dumps(JSON_INDENT(2)) would, and
 *    json_text_only text of the list whose objects lack the others. Of other
 *    text it is not said what they make: it comes from who writes only JSON.
 */
#ifndef REPLICACTL_JSON_TEXT_H
#define REPLICACTL_JSON_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct json_text {
	const char *at;
	size_t len;
};

/* The value of an object's member; its key is compared as it is written. */
bool json_text_get(struct json_text object, const char *key,
		   struct json_text *value);

/*
 * A list, but of its objects only the members with these keys (NULL ends them).
 * NULL: no memory.
 */
char *json_text_only(struct json_text array, const char *const keys[]);

/* Two more spaces for each level, a newline at the end; NULL: no memory. */
char *json_text_indent(struct json_text text);

#endif

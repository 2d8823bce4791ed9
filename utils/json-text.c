// SPDX-License-Identifier: GPL-2.0-or-later
#include "json-text.h"

#include <stdlib.h>
#include <string.h>

#define INDENT	2

/* --- finding -------------------------------------------------------------- */

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static const char *skip_space(const char *p, const char *end)
{
	while (p < end && is_space(*p))
		p++;
	return p;
}

/* @p: at its first quote. Behind its last one. */
static const char *skip_string(const char *p, const char *end)
{
	for (p++; p < end && *p != '"'; p++)
		p += *p == '\\';
	return p < end ? p + 1 : end;
}

/* Up to what ends a value in its list or object: a comma or a bracket. */
static const char *skip_value(const char *p, const char *end)
{
	unsigned int depth = 0;

	while (p < end) {
		if (*p == '"') {
			p = skip_string(p, end);
			continue;
		}
		if (!depth && (*p == ',' || *p == '}' || *p == ']'))
			break;
		depth += *p == '{' || *p == '[';
		depth -= *p == '}' || *p == ']';
		p++;
	}
	return p;
}

static size_t trimmed(const char *from, const char *to)
{
	while (to > from && is_space(to[-1]))
		to--;
	return to - from;
}

struct member {
	struct json_text name;		/* with its quotes */
	struct json_text value;
};

/*
 * *@p: at an object's bracket, or behind a member; behind the next one. False:
 * there is none.
 */
static bool next_member(const char **p, const char *end, struct member *m)
{
	const char *at = *p, *name_end;

	if (at == end || *at == '}')
		return false;
	at = skip_space(at + 1, end);
	if (at == end || *at != '"')
		return false;
	name_end = skip_string(at, end);
	m->name = (struct json_text){ at, name_end - at };
	at = skip_space(name_end, end);
	if (at == end || *at != ':')
		return false;
	at = skip_space(at + 1, end);
	*p = skip_value(at, end);
	m->value = (struct json_text){ at, trimmed(at, *p) };
	return true;
}

static bool is_named(const struct member *m, const char *key)
{
	size_t len = strlen(key);

	return m->name.len == len + 2 && !memcmp(m->name.at + 1, key, len);
}

bool json_text_get(struct json_text object, const char *key,
		   struct json_text *value)
{
	const char *end = object.at + object.len;
	const char *p = skip_space(object.at, end);
	struct member m;

	if (p == end || *p != '{')
		return false;
	while (next_member(&p, end, &m))
		if (is_named(&m, key)) {
			*value = m.value;
			return true;
		}
	return false;
}

/* --- less of it ----------------------------------------------------------- */

static char *append(char *to, struct json_text text)
{
	memcpy(to, text.at, text.len);
	return to + text.len;
}

static bool is_any(const struct member *m, const char *const keys[])
{
	while (*keys && !is_named(m, *keys))
		keys++;
	return *keys;
}

/* The bracket at the end is for that at the beginning, if that lacks one. */
static char *put_members(char *to, struct json_text object,
			 const char *const keys[])
{
	const char *p = object.at, *end = p + object.len;
	bool is_first = true;
	struct member m;

	*to++ = '{';
	while (next_member(&p, end, &m)) {
		if (!is_any(&m, keys))
			continue;
		if (!is_first)
			*to++ = ',';
		is_first = false;
		to = append(to, m.name);
		*to++ = ':';
		to = append(to, m.value);
	}
	*to++ = '}';
	return to;
}

char *json_text_only(struct json_text array, const char *const keys[])
{
	const char *end = array.at + array.len;
	const char *p = skip_space(array.at, end), *next;
	char *text = malloc(2 * array.len + 1), *to = text;

	if (!text)
		return NULL;
	for (; p < end; p = next) {
		next = *p == '{' ? skip_value(p, end) :
		       *p == '"' ? skip_string(p, end) : p + 1;
		if (*p == '{')
			to = put_members(to, (struct json_text){ p,
					 trimmed(p, next) }, keys);
		else
			to = append(to, (struct json_text){ p, next - p });
	}
	*to = 0;
	return text;
}

/* --- writing -------------------------------------------------------------- */

struct out {
	char *data;
	size_t len, size;
	size_t depth;
	bool was_open;			/* a bracket, just before */
};

/* For a token, a letter or the end behind it, and two lines that begin. */
static bool make_room(struct out *out, size_t len)
{
	size_t need = out->len + len + 2 * (1 + INDENT * out->depth) + 2;
	char *more;

	if (need <= out->size)
		return true;
	more = realloc(out->data, need * 2);
	if (!more)
		return false;
	out->data = more;
	out->size = need * 2;
	return true;
}

static void put(struct out *out, const char *text, size_t len)
{
	memcpy(out->data + out->len, text, len);
	out->len += len;
}

static void put_line(struct out *out)
{
	put(out, "\n", 1);
	memset(out->data + out->len, ' ', INDENT * out->depth);
	out->len += INDENT * out->depth;
}

static bool is_mark(char c)
{
	return c == ',' || c == ':' || c == '{' || c == '}' || c == '[' ||
	       c == ']';
}

/* A mark, a string with its quotes, a number, a word. */
static const char *skip_token(const char *p, const char *end)
{
	if (*p == '"')
		return skip_string(p, end);
	if (is_mark(*p))
		return p + 1;
	for (p++; p < end && !is_mark(*p) && !is_space(*p) && *p != '"';)
		p++;
	return p;
}

static void put_token(struct out *out, const char *p, size_t len)
{
	bool closes = *p == '}' || *p == ']';

	out->depth -= closes && out->depth;
	if (closes != out->was_open)	/* not within [] and {} */
		put_line(out);
	put(out, p, len);
	if (*p == ':')
		put(out, " ", 1);
	if (*p == ',')
		put_line(out);
	out->was_open = *p == '{' || *p == '[';
	out->depth += out->was_open;
}

char *json_text_indent(struct json_text text)
{
	const char *p = text.at, *end = p + text.len, *next;
	struct out out = { .len = 0 };

	for (; (p = skip_space(p, end)) < end; p = next) {
		next = skip_token(p, end);
		if (!make_room(&out, next - p)) {
			free(out.data);
			return NULL;
		}
		put_token(&out, p, next - p);
	}
	if (!make_room(&out, 0)) {
		free(out.data);
		return NULL;
	}
	put(&out, "\n", 2);
	return out.data;
}

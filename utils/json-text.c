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

bool json_text_get(struct json_text object, const char *key,
		   struct json_text *value)
{
	const char *p = object.at, *end = p + object.len;
	size_t len = strlen(key);

	p = skip_space(p, end);
	if (p == end || *p != '{')
		return false;
	while (p < end && *p != '}') {
		const char *name = skip_space(p + 1, end), *name_end, *from;

		if (name == end || *name != '"')
			return false;
		name_end = skip_string(name, end);
		from = skip_space(name_end, end);
		if (from == end || *from != ':')
			return false;
		from = skip_space(from + 1, end);
		p = skip_value(from, end);
		if ((size_t)(name_end - name) == len + 2 &&
		    !memcmp(name + 1, key, len)) {
			*value = (struct json_text){ from, trimmed(from, p) };
			return true;
		}
	}
	return false;
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

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What json-text.h promises, against jansson: of random JSON the same members
 * and the same indented text; of text that was cut or changed anywhere nothing
 * beyond its end (each lies in a block of its own, for ASan to see).
 */
#include <jansson.h>
#include <stdlib.h>

#include "json-text.h"
#include "tap.h"

#define ROUNDS	400

static unsigned int seed = 1;

static unsigned int below(unsigned int n)
{
	return rand_r(&seed) % n;
}

static json_t *random_string(void)
{
	static const char *const texts[] = {
		"", "a", "b", "a\"b", "\\", "{", "}],:", "\n\t", "\u00e9",
		"a value \\\" of words", "\x01",
	};

	return json_string(texts[below(sizeof(texts) / sizeof(texts[0]))]);
}

static json_t *random_value(int depth);

static json_t *random_object(int depth)
{
	static const char *const keys[] = { "a", "b", "a\"b", "{", "id", "" };
	json_t *o = json_object();

	for (int i = below(5); i > 0; i--)
		json_object_set_new(o, keys[below(6)], random_value(depth - 1));
	return o;
}

static json_t *random_array(int depth)
{
	json_t *array = json_array();

	for (int i = below(4); i > 0; i--)
		json_array_append_new(array, random_value(depth - 1));
	return array;
}

static json_t *random_value(int depth)
{
	switch (below(depth > 0 ? 8 : 5)) {
	case 0: return json_integer((int)below(2000) - 1000);
	case 1: return json_real(below(1000) / 7.0);
	case 2: return json_boolean(below(2));
	case 3: return json_null();
	case 4: return random_string();
	case 5: return random_array(depth);
	default: return random_object(depth);
	}
}

/* A copy without a byte more. */
static struct json_text exactly(const char *text, size_t len)
{
	char *copy = malloc(len ? len : 1);

	memcpy(copy, text, len);
	return (struct json_text){ copy, len };
}

static bool is_indented_alike(const json_t *json)
{
	char *plain = json_dumps(json, JSON_COMPACT);
	char *wanted = json_dumps(json, JSON_INDENT(2));
	struct json_text text = exactly(plain, strlen(plain));
	char *got = json_text_indent(text);
	size_t len = strlen(wanted);
	bool is = strlen(got) == len + 1 && !memcmp(got, wanted, len) &&
		  got[len] == '\n';

	if (!is)
		printf("# %s\n", plain);
	free(got);
	free((char *)text.at);
	free(wanted);
	free(plain);
	return is;
}

static bool is_found_alike(const json_t *object, const char *key, size_t how)
{
	char *plain = json_dumps(object, how);
	struct json_text text = exactly(plain, strlen(plain)), value;
	bool is_found = json_text_get(text, key, &value), is = !is_found;
	const json_t *wanted = json_object_get(object, key);
	json_t *got;

	if (wanted) {
		got = is_found ? json_loadb(value.at, value.len,
					    JSON_DECODE_ANY, NULL) : NULL;
		is = json_equal(wanted, got) && value.at[0] > ' ' &&
		     value.at[value.len - 1] > ' ';
		json_decref(got);
	}
	if (!is)
		printf("# '%s' in %s\n", key, plain);
	free((char *)text.at);
	free(plain);
	return is;
}

static const char *const wanted_keys[] = { "id", "a", NULL };

/* What jansson would leave of it. */
static json_t *reduced(const json_t *element)
{
	json_t *o;

	if (!json_is_object(element))
		return json_deep_copy(element);
	o = json_object();
	for (int i = 0; wanted_keys[i]; i++)
		json_object_set(o, wanted_keys[i],
				json_object_get(element, wanted_keys[i]));
	return o;
}

static bool is_reduced_alike(size_t how)
{
	json_t *list = json_array(), *wanted = json_array(), *got;
	struct json_text text;
	char *plain, *only;
	bool is;

	for (int i = below(6); i > 0; i--) {
		json_t *one = below(4) ? random_object(3) : random_string();

		json_array_append_new(wanted, reduced(one));
		json_array_append_new(list, one);
	}
	plain = json_dumps(list, how);
	text = exactly(plain, strlen(plain));
	only = json_text_only(text, wanted_keys);
	got = json_loads(only, 0, NULL);
	is = json_equal(got, wanted);
	if (!is)
		printf("# %s: %s\n", plain, only);
	free(only);
	free((char *)text.at);
	free(plain);
	json_decref(got);
	json_decref(wanted);
	json_decref(list);
	return is;
}

static void try_broken(const json_t *json)
{
	char *plain = json_dumps(json, JSON_COMPACT);
	size_t len = below(strlen(plain) + 1);
	struct json_text text, value;

	if (len)
		plain[below(len)] = "\"\\{}[],: x"[below(10)];
	text = exactly(plain, len);
	json_text_get(text, "a", &value);
	free(json_text_indent(text));
	free(json_text_only(text, wanted_keys));
	free((char *)text.at);
	free(plain);
}

int main(void)
{
	bool is_indented = true, is_found = true, is_reduced = true;
	struct json_text value;

	for (int i = 0; i < ROUNDS; i++) {
		json_t *json = random_object(4);

		is_indented &= is_indented_alike(json);
		is_found &= is_found_alike(json, "a", JSON_COMPACT);
		is_found &= is_found_alike(json, "id", JSON_INDENT(3));
		is_reduced &= is_reduced_alike(i % 2 ? JSON_COMPACT :
						       JSON_INDENT(1));
		for (int j = 0; j < 20; j++)
			try_broken(json);
		json_decref(json);
	}
	ok(is_indented, "indented as jansson does it");
	ok(is_found, "each member is found as jansson finds it");
	ok(is_reduced, "only what is asked for, as jansson would have it");
	ok(!json_text_get((struct json_text){ "[\"a\"]", 5 }, "a", &value),
	   "a list has no members");
	ok(!json_text_get((struct json_text){ "{\"b\":{\"a\":1}}", 13 }, "a",
			  &value), "what is deeper is no member");
	ok(true, "nothing is read beyond the end (ASan)");
	return tap_done();
}

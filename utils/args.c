// SPDX-License-Identifier: GPL-2.0-or-later
#include "args.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/nearest.h"

static bool is_optional(const struct option_spec *spec)
{
	return spec->arg && spec->arg[0] == '[';
}

static const struct option_spec *find(const struct option_spec *const *lists,
				      const char *name, size_t len)
{
	const struct option_spec *spec;

	for (; *lists; lists++)
		for (spec = *lists; spec->name; spec++)
			if (strlen(spec->name) == len &&
			    !strncmp(spec->name, name, len))
				return spec;
	return NULL;
}

static void refuse_unknown(const struct option_spec *const *lists,
			   const char *name, size_t len, char *why)
{
	const struct option_spec *spec, *best = NULL;
	unsigned int best_distance = ~0U;
	char word[NEAREST_MAX];

	snprintf(word, sizeof(word), "%.*s", (int)len, name);
	for (; *lists; lists++)
		for (spec = *lists; spec->name; spec++) {
			unsigned int d = nearest_distance(word, spec->name);

			if (d >= best_distance ||
			    !nearest_is_close(word, spec->name, d))
				continue;
			best = spec;
			best_distance = d;
		}
	snprintf(why, ARGS_WHY, "there is no option --%s%s%s%s", word,
		 best ? "; did you mean --" : "", best ? best->name : "",
		 best ? "?" : "");
}

/* Takes argv[*i], an option, and its value if that is the next word. */
static int parse_option(struct args *args,
			const struct option_spec *const *lists, int argc,
			char **argv, int *i, char *why)
{
	const char *name = argv[*i] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct option_spec *spec = find(lists, name, len);
	const char *value = equals ? equals + 1 : NULL;

	if (!spec) {
		refuse_unknown(lists, name, len, why);
		return -1;
	}
	if (value && !spec->arg) {
		snprintf(why, ARGS_WHY, "--%s takes no value", spec->name);
		return -1;
	}
	if (!value && spec->arg && !is_optional(spec)) {
		if (*i + 1 >= argc) {
			snprintf(why, ARGS_WHY, "--%s needs a value: %s",
				 spec->name, spec->arg);
			return -1;
		}
		value = argv[++*i];
	}
	if (args->nr_options == ARGS_MAX) {
		snprintf(why, ARGS_WHY, "too many options");
		return -1;
	}
	args->options[args->nr_options].spec = spec;
	args->options[args->nr_options++].value = value;
	return 0;
}

static int add_word(struct args *args, const char *word, char *why)
{
	if (args->nr_words == ARGS_MAX) {
		snprintf(why, ARGS_WHY, "too many words");
		return -1;
	}
	args->words[args->nr_words++] = word;
	return 0;
}

static char *spell_out(const char *word)
{
	return !strcmp(word, "-h") ? "--help" : NULL;
}

int args_parse(struct args *args, const struct option_spec *const *lists,
	       int argc, char **argv, char why[ARGS_WHY])
{
	bool only_words = false;
	int i, ret = 0;

	memset(args, 0, sizeof(*args));
	for (i = 0; i < argc && !ret; i++) {
		if (!only_words && spell_out(argv[i]))
			argv[i] = spell_out(argv[i]);
		if (only_words || argv[i][0] != '-' || !argv[i][1]) {
			ret = add_word(args, argv[i], why);
		} else if (!strcmp(argv[i], "--")) {
			only_words = true;
		} else if (argv[i][1] != '-') {
			snprintf(why, ARGS_WHY,
				 "there is no option %.20s: options have long "
				 "names, see --help", argv[i]);
			ret = -1;
		} else {
			ret = parse_option(args, lists, argc, argv, &i, why);
		}
	}
	return ret;
}

static int find_given(const struct args *args, const char *name)
{
	int i;

	for (i = args->nr_options - 1; i >= 0; i--)
		if (!strcmp(args->options[i].spec->name, name))
			return i;
	return -1;
}

bool args_has(const struct args *args, const char *name)
{
	return find_given(args, name) >= 0;
}

const char *args_value(const struct args *args, const char *name)
{
	int i = find_given(args, name);

	return i < 0 ? NULL : args->options[i].value;
}

struct unit {
	const char *name;
	double factor;
};

static int parse_unit(const char *text, const struct unit *units,
		      double *value)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || !(n >= 0) || isinf(n) || strpbrk(text, "xX"))
		return -1;
	for (; units->name; units++)
		if (!strcmp(end, units->name)) {
			*value = n * units->factor;
			return 0;
		}
	return -1;
}

int args_bytes(const char *text, unsigned long long *bytes)
{
	static const struct unit units[] = {
		{ "", 1 }, { "B", 1 }, { "KiB", 1024 }, { "MiB", 1 << 20 },
		{ "GiB", 1 << 30 }, { "TiB", 1ULL << 40 }, { NULL, 0 }
	};
	double value;

	if (parse_unit(text, units, &value) || value >= 0x1p63)
		return -1;
	*bytes = value;
	return 0;
}

int args_seconds(const char *text, double *seconds)
{
	static const struct unit units[] = {
		{ "", 1 }, { "s", 1 }, { "ms", 1e-3 }, { "m", 60 },
		{ "h", 3600 }, { NULL, 0 }
	};

	return parse_unit(text, units, seconds);
}

// SPDX-License-Identifier: GPL-2.0-or-later
#include "config-match.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config-impl.h"

/* --- operators --------------------------------------------------------- */

static bool parse_number(const char *text, double *number)
{
	char *end;

	*number = strtod(text, &end);
	return end != text && !*end;
}

/* -1, 0 or 1; 2: one of them is no number. */
static int compare_numbers(const char *value, const char *wanted)
{
	double a, b;

	if (!parse_number(value, &a) || !parse_number(wanted, &b))
		return 2;
	return (a > b) - (a < b);
}

static bool is_equal(const char *value, const char *wanted)
{
	return compare_numbers(value, wanted) == 0;
}

static bool is_unequal(const char *value, const char *wanted)
{
	int order = compare_numbers(value, wanted);

	return order == 1 || order == -1;
}

static bool is_at_least(const char *value, const char *wanted)
{
	int order = compare_numbers(value, wanted);

	return order == 0 || order == 1;
}

static bool is_at_most(const char *value, const char *wanted)
{
	int order = compare_numbers(value, wanted);

	return order == 0 || order == -1;
}

static bool is_text(const char *value, const char *wanted)
{
	return !strcmp(value, wanted);
}

static bool is_other_text(const char *value, const char *wanted)
{
	return strcmp(value, wanted);
}

static bool is_below(const char *value, const char *wanted)
{
	return strcmp(value, wanted) < 0;
}

static bool is_below_or_text(const char *value, const char *wanted)
{
	return strcmp(value, wanted) <= 0;
}

static bool is_above(const char *value, const char *wanted)
{
	return strcmp(value, wanted) > 0;
}

static bool is_above_or_text(const char *value, const char *wanted)
{
	return strcmp(value, wanted) >= 0;
}

/* -1: neither. */
static int bool_of(const char *text)
{
	static const char *const yes[] = { "true", "yes", "on", "1", "t", "y" };
	static const char *const no[] = { "false", "no", "off", "0", "f", "n" };

	for (int i = 0; i < 6; i++) {
		if (!strcasecmp(text, yes[i]))
			return 1;
		if (!strcasecmp(text, no[i]))
			return 0;
	}
	return -1;
}

static bool is_same_bool(const char *value, const char *wanted)
{
	int want = bool_of(wanted);

	return want >= 0 && bool_of(value) == want;
}

static bool has_part(const char *value, const char *wanted)
{
	return strstr(value, wanted);
}

static bool has_all_parts(const char *value, const char *wanted)
{
	char part[64];

	while (config_next_word(&wanted, part))
		if (!strstr(value, part))
			return false;
	return true;
}

/* What stands between two "<or>". */
static bool is_one_of(const char *value, const char *wanted)
{
	size_t len = strlen(value);

	while (*wanted) {
		const char *end = strstr(wanted, "<or>");
		size_t n = end ? (size_t)(end - wanted) : strlen(wanted);

		while (n && isspace((unsigned char)wanted[n - 1]))
			n--;
		if (n == len && !strncmp(value, wanted, n))
			return true;
		if (!end)
			return false;
		wanted = end + strlen("<or>");
		wanted += strspn(wanted, " ");
	}
	return false;
}

static const struct {
	const char *word;
	bool (*holds)(const char *value, const char *wanted);
} operators[] = {
	{ "=", is_at_least }, { "==", is_equal }, { "!=", is_unequal },
	{ ">=", is_at_least }, { "<=", is_at_most },
	{ "s==", is_text }, { "s!=", is_other_text },
	{ "s<", is_below }, { "s<=", is_below_or_text },
	{ "s>", is_above }, { "s>=", is_above_or_text },
	{ "<is>", is_same_bool }, { "<in>", has_part },
	{ "<all-in>", has_all_parts }, { "<or>", is_one_of },
};

bool spec_holds(const char *wanted, const char *value)
{
	size_t len = strcspn(wanted, " ");
	const char *rest = wanted + len + strspn(wanted + len, " ");

	for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++)
		if (strlen(operators[i].word) == len &&
		    !strncmp(operators[i].word, wanted, len))
			return *rest && operators[i].holds(value, rest);
	return is_text(value, wanted);
}

/* --- capabilities ------------------------------------------------------ */

/* One that can be used: a server, or a backend that a pairing leads to. */
static bool is_target_of(const struct config *config, const struct section *t,
			 const struct section *backend)
{
	const struct section *to;

	if (t->kind != SECTION_TARGET || !t->is_enabled ||
	    !section_names(t->owner, backend->name))
		return false;
	if (t->uri)
		return true;
	to = config_section(config, SECTION_BACKEND, t->to_backend);
	return to && to->pair;
}

static json_t *targets_of(const struct config *config,
			  const struct section *backend)
{
	json_t *list = json_array();

	for (const struct section *s = config->sections; s; s = s->next)
		if (is_target_of(config, s, backend))
			json_array_append_new(list, json_string(s->name));
	return list;
}

json_t *capabilities_json(const struct config *config,
			  const struct section *backend)
{
	json_t *targets = targets_of(config, backend);
	int nr = json_array_size(targets);

	return json_pack("{ss ss* ss sb sb sb sb s[s] si so sb sb}",
			 "volume_backend_name",
			 backend->volume_backend_name ?: backend->name,
			 "volume_driver", backend->volume_driver,
			 "driver", section_driver(backend),
			 "create", section_makes_volumes(backend),
			 "snapshot", section_makes_volumes(backend),
			 "clone", section_makes_volumes(backend),
			 "replication_enabled", nr > 0, "replication_type",
			 "async", "replication_count", nr,
			 "replication_targets", targets,
			 "group_replication_enabled", nr > 0,
			 "consistent_group_replication_enabled", nr > 0);
}

/* Of a volume that lives on no backend, but has a target. */
static json_t *capabilities_of_volume(const struct volume_config *volume)
{
	bool has = volume->target;

	return json_pack("{sb s[s] si s[s] sb sb}", "replication_enabled", has,
			 "replication_type", "async", "replication_count",
			 (int)has, "replication_targets",
			 volume->target_id ?: "", "group_replication_enabled",
			 has, "consistent_group_replication_enabled", has);
}

/* --- specs ------------------------------------------------------------- */

static const char *text_of(const json_t *value, char text[32])
{
	if (json_is_string(value))
		return json_string_value(value);
	if (json_is_boolean(value))
		return json_is_true(value) ? "True" : "False";
	snprintf(text, 32, "%lld", (long long)json_integer_value(value));
	return text;
}

/* M1 */
static bool holds(const char *wanted, const json_t *value)
{
	const json_t *one;
	char text[32];
	size_t i;

	if (json_is_array(value) && !strncmp(wanted, "<in> ", 5))
		wanted = wanted + 5 + strspn(wanted + 5, " ");

	if (!json_is_array(value))
		return spec_holds(wanted, text_of(value, text));
	json_array_foreach(value, i, one)
		if (spec_holds(wanted, text_of(one, text)))
			return true;
	return false;
}

static void print_value(const json_t *value, char *out, size_t size)
{
	const json_t *one;
	char text[32];
	size_t i, len = 0;

	out[0] = 0;
	if (!json_is_array(value)) {
		snprintf(out, size, "%.100s", text_of(value, text));
		return;
	}
	json_array_foreach(value, i, one)
		if (len < size)
			len += snprintf(out + len, size - len, "%s%.40s",
					i ? ", " : "", text_of(one, text));
}

/* The spellings of the seed and of Cinder's first release with it. */
static const char *spelled_now(const char *key, const char **wanted)
{
	if (!strcmp(key, "replication_capable"))
		return "replication_enabled";
	if (strcmp(key, "replication"))
		return key;
	*wanted = !strcmp(*wanted, "enabled") ? "True" :
		  !strcmp(*wanted, "disabled") ? "False" : *wanted;
	return "replication_enabled";
}

static bool spec_fits(const struct config_record *spec, const json_t *caps,
		      const char *who, char why[MATCH_WHY])
{
	const char *wanted = spec->value, *key;
	const json_t *value;
	char is[120];

	key = spelled_now(spec->key, &wanted);
	value = json_object_get(caps, key);
	if (value && holds(wanted, value))
		return true;
	if (value)
		print_value(value, is, sizeof(is));
	snprintf(why, MATCH_WHY, "%s: %.60s is %s%s%s, and the type wants "
		 "%.60s", who, key, value ? "\"" : "nothing that it has",
		 value ? is : "", value ? "\"" : "", wanted);
	return false;
}

/* M2 */
static const char *question_of(const char *key)
{
	static const char scope[] = "capabilities:";

	if (!strncmp(key, scope, strlen(scope)))
		return key + strlen(scope);
	return strchr(key, ':') ? NULL : key;
}

static bool is_on_replication(const char *key)
{
	return strstr(key, "replication");
}

static bool specs_fit(const struct section *type, const json_t *caps,
		      const char *who, bool is_all, char why[MATCH_WHY])
{
	for (const struct config_record *r = type->records; r; r = r->next) {
		struct config_record spec = *r;

		spec.key = (char *)question_of(r->key);
		if (!spec.key || (!is_all && !is_on_replication(spec.key)))
			continue;
		if (!spec_fits(&spec, caps, who, why))
			return false;
	}
	return true;
}

bool match_type(const struct config *config, const struct section *type,
		const struct section *backend, char why[MATCH_WHY])
{
	json_t *caps = capabilities_json(config, backend);
	bool fits = specs_fit(type, caps, backend->name, true, why);

	json_decref(caps);
	return fits;
}

/* Does it say that its volumes are replicated, or (not @is_so) are not? */
static bool is_said(const struct section *type, bool is_so)
{
	for (const struct config_record *r = type->records; r; r = r->next) {
		const char *wanted = r->value;

		if (!strcmp(spelled_now(r->key, &wanted),
			    "replication_enabled") &&
		    spec_holds(wanted, "True") == is_so)
			return true;
	}
	return false;
}

bool match_wants_replication(const struct section *type)
{
	return type && is_said(type, true);
}

int match_volume(const struct config *config,
		 const struct volume_config *volume,
		 char error[CONFIG_ERROR_SIZE])
{
	const struct section *type, *backend = NULL;
	char why[MATCH_WHY] = "";
	json_t *caps;
	bool fits;

	type = !volume->type ? NULL :
	       config_section(config, SECTION_TYPE, volume->type);
	if (!type)
		return 0;
	if (is_said(type, false))
		return config_refuse(error, -EINVAL, "volume %s: volumes of "
			"the type %s are not replicated (replication_enabled)",
			volume->name, type->name);
	if (volume->backend)
		backend = config_section(config, SECTION_BACKEND,
					 volume->backend);
	caps = backend ? capabilities_json(config, backend) :
			 capabilities_of_volume(volume);
	fits = specs_fit(type, caps, backend ? backend->name : "this site",
			 backend, why);
	json_decref(caps);
	return fits ? 0 : config_refuse(error, -EINVAL, "volume %s is not for "
					"the type %s: %.250s", volume->name,
					type->name, why);
}

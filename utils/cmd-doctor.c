// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd.h"
#include "doctor.h"
#include "options.h"
#include "print.h"

static const char *const words[] = { "ok", "warn", "bad" };

/* --- what the checks use -------------------------------------------------- */

/* The bytes of the letter that begins here; 0: it is none. */
static int letter_len(const unsigned char *s)
{
	int len = *s < 0x80 ? 1 : *s >= 0xf0 ? 4 : *s >= 0xe0 ? 3 : 2;
	unsigned int c = len == 1 ? *s : *s & (0xff >> (len + 1));
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };

	if (*s >= 0xf8 || (*s >= 0x80 && *s < 0xc0))
		return 0;
	for (int i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	return len;
}

/* Paths may have any bytes, cutting may halve a letter; JSON takes UTF-8. */
static void make_utf8(char *text)
{
	while (*text) {
		int len = letter_len((unsigned char *)text);

		if (!len)
			*text = '?';
		text += len ? len : 1;
	}
}

void doctor_find(struct doctor *d, const char *check, enum level level,
		 const char *remedy, const char *fmt, ...)
{
	char text[700];
	va_list list;

	va_start(list, fmt);
	vsnprintf(text, sizeof(text), fmt, list);
	va_end(list);
	make_utf8(text);
	json_array_append_new(d->findings, json_pack(
		"{ss ss ss ss?}", "check", check, "level", words[level],
		"text", text, "remedy", remedy));
}

char *doctor_path(const struct doctor *d, const char *path)
{
	char *full = NULL;

	return asprintf(&full, "%s%s", d->root, path) < 0 ? NULL : full;
}

bool doctor_has(const struct doctor *d, const char *path)
{
	char *full = doctor_path(d, path);
	bool has = full && !access(full, F_OK);

	free(full);
	return has;
}

bool doctor_is_hidden(const struct doctor *d, const char *path, int mode)
{
	char *full = doctor_path(d, path);
	bool is_hidden = full && access(full, mode) &&
			 (errno == EACCES || errno == EPERM);

	free(full);
	return is_hidden;
}

void doctor_cannot(struct doctor *d, const char *check, const char *what)
{
	doctor_find(d, check, LEVEL_WARN, "run it as root",
		    "%.300s cannot be looked at: permission denied", what);
}

char *doctor_read(const struct doctor *d, const char *path, char *buf,
		  size_t size)
{
	char *full = doctor_path(d, path), *line = NULL;
	FILE *file = full ? fopen(full, "re") : NULL;

	if (file) {
		line = fgets(buf, size, file);
		fclose(file);
	}
	free(full);
	if (line)
		line[strcspn(line, "\n")] = 0;
	return line;
}

/* --- the verb ------------------------------------------------------------- */

static void print_finding(const json_t *f)
{
	const char *level = json_string_value(json_object_get(f, "level"));
	const char *remedy = json_string_value(json_object_get(f, "remedy"));
	char word[8];

	snprintf(word, sizeof(word), "%-5s", level);
	print_colored(!strcmp(level, "ok") ? COLOR_GOOD :
		      !strcmp(level, "warn") ? COLOR_WARN : COLOR_BAD, word);
	printf("%s: %s\n", json_string_value(json_object_get(f, "check")),
	       json_string_value(json_object_get(f, "text")));
	if (remedy && remedy[0])
		printf("     remedy: %s\n", remedy);
}

static int count(const json_t *findings, const char *level)
{
	json_t *f;
	size_t i;
	int nr = 0;

	json_array_foreach(findings, i, f)
		nr += !strcmp(level, json_string_value(
			json_object_get(f, "level")));
	return nr;
}

static void print_all(const json_t *findings)
{
	int bad = count(findings, "bad"), warn = count(findings, "warn");
	json_t *f;
	size_t i;

	json_array_foreach(findings, i, f)
		print_finding(f);
	printf("\n%zu checked, %d bad, %d to look at.\n",
	       json_array_size(findings), bad, warn);
}

static void examine(struct doctor *d)
{
	static void (*const checks[])(struct doctor *d) = {
		doctor_kernel, doctor_module, doctor_secure_boot,
		doctor_io_uring, doctor_programs, doctor_boot, doctor_clock,
		doctor_config, doctor_targets, doctor_tls, doctor_ports,
		doctor_modes, doctor_space, doctor_daemon,
	};

	for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++)
		checks[i](d);
}

static int report(const struct args *args, json_t *findings)
{
	int bad = count(findings, "bad");
	json_t *all;

	if (!args_has(args, "json")) {
		print_all(findings);
		return bad ? STATUS_DEGRADED : STATUS_OK;
	}
	all = json_pack("{si ss sO}", "schema_version", SCHEMA_VERSION,
			"verdict", bad ? "bad" : "ok", "findings", findings);
	print_json(all);
	json_decref(all);
	return bad ? STATUS_DEGRADED : STATUS_OK;
}

static int run(const struct args *args)
{
	struct doctor d = {
		.args = args,
		.root = args_value(args, "root") ?: "",
		.config_path = args_value(args, "config") ?:
			       OPTIONS_DEFAULT_CONFIG,
		.findings = json_array(),
	};
	int status;

	if (config_init(&d.config) || !d.findings)
		return ctl_fail(args, STATUS_FAILED, "not enough memory");
	examine(&d);
	status = report(args, d.findings);
	json_decref(d.findings);
	config_clear(&d.config);
	return status;
}

static const struct option_spec options[] = {
	{ "config", "FILE", "the configuration (" OPTIONS_DEFAULT_CONFIG ")" },
	{ "root", "DIR", "look at the files below DIR instead of /" },
	{ NULL }
};

const struct command cmd_doctor = {
	.name = "doctor",
	.words = "",
	.summary = "what keeps replication from working, and the remedy",
	.examples = "    replicactl doctor\n"
		    "    replicactl doctor --json | jq '.findings[] |"
		    " select(.level != \"ok\")'\n",
	.text =
	"Looks at the kernel, the module, Secure Boot, io_uring, programs, units,\n"
	"the clock, the configuration, targets, their keys, certificates and ports,\n"
	"free space and replicad. Changes nothing. Each finding that is not well\n"
	"has a remedy. Exit status 4 if anything is bad.\n",
	.options = options,
	.run = run,
};

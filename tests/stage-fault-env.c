// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * For programs with a stage of which tests may switch rules off, such as
 * build/tests/fault-plugin.so: STAGE_FAULT names them, with commas. A name that
 * there is not ends the process: a typo must not pass for a rule that does not
 * matter.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stage-impl.h"

static const struct {
	const char *name;
	unsigned long long fault;
} rules[] = {
	{ "S1", STAGE_FAULT_S1 }, { "S2", STAGE_FAULT_S2 },
	{ "S3_SYNC", STAGE_FAULT_S3_SYNC },
	{ "S3_VERIFY", STAGE_FAULT_S3_VERIFY },
	{ "S3_COUNT", STAGE_FAULT_S3_COUNT },
	{ "S3_CLOSE", STAGE_FAULT_S3_CLOSE },
	{ "S3_COMMIT", STAGE_FAULT_S3_COMMIT }, { "S4", STAGE_FAULT_S4 },
	{ "S5", STAGE_FAULT_S5 }, { "S6", STAGE_FAULT_S6 },
	{ "S7", STAGE_FAULT_S7 }, { "S8", STAGE_FAULT_S8 },
	{ "S9", STAGE_FAULT_S9 }, { "S10", STAGE_FAULT_S10 },
	{ "W1_WAIT", STAGE_FAULT_W1_WAIT }, { "W2", STAGE_FAULT_W2 },
	{ "W4", STAGE_FAULT_W4 }, { "IMAGE", STAGE_FAULT_IMAGE },
	{ "GONE", STAGE_FAULT_GONE },
};

static unsigned long long fault_of(const char *name)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!strcmp(rules[i].name, name))
			return rules[i].fault;
	fprintf(stderr, "STAGE_FAULT: there is no rule '%s'\n", name);
	_exit(1);
}

static void __attribute__((constructor)) read_faults(void)
{
	const char *env = getenv("STAGE_FAULT");
	char *text = strdup(env ? env : ""), *next = text, *name;

	while ((name = strsep(&next, ",")))
		if (*name)
			stage_faults |= fault_of(name);
	free(text);
}

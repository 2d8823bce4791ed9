// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static void print_options(const struct option_spec *spec)
{
	for (; spec && spec->name; spec++) {
		char left[40];

		snprintf(left, sizeof(left), "--%s%s%s", spec->name,
			 !spec->arg ? "" : spec->arg[0] == '[' ? "" : " ",
			 spec->arg ? spec->arg : "");
		printf("    %-22s %s\n", left, spec->help);
	}
}

static int print_all(void)
{
	const struct command *const *c;

	puts("Examples\n"
	     "    replicactl enable vol --target nbd://backup/vol --tls off\n"
	     "    replicactl status --watch\n"
	     "    replicactl disable vol\n"
	     "\n"
	     "Verbs");
	for (c = commands; *c; c++)
		printf("    %-10s %s\n", (*c)->name, (*c)->summary);
	puts("\nOptions of every verb");
	print_options(global_options);
	puts("    --version              the version\n"
	     "\n"
	     "\"replicactl VERB --help\" tells more. Exit status: 0 ok, "
	     "1 failed, 2 usage,\n"
	     "3 not found, 4 degraded (status --check), 5 refused by a safety "
	     "check,\n"
	     "6 timeout, 7 permission.");
	return STATUS_OK;
}

int help_print(const struct command *command)
{
	if (!command)
		return print_all();
	printf("Examples\n%s\nUsage\n    replicactl %s%s%s [OPTION]...\n\n%s",
	       command->examples, command->name, command->words[0] ? " " : "",
	       command->words, command->text);
	puts("\nOptions");
	print_options(command->options);
	print_options(global_options);
	return STATUS_OK;
}

/* One word a line, for the completion and the test of the manual page. */
int help_words(const struct command *command)
{
	const struct command *const *c;
	const struct option_spec *spec;

	for (c = commands; !command && *c; c++)
		puts((*c)->name);
	if (!command)
		return STATUS_OK;
	for (spec = command->options; spec && spec->name; spec++)
		printf("--%s\n", spec->name);
	for (spec = global_options; spec->name; spec++)
		printf("--%s\n", spec->name);
	return STATUS_OK;
}

static int run(const struct args *args)
{
	const char *word = args->nr_words ? args->words[0] : NULL;
	const struct command *command = word ? command_find(word) : NULL;

	if (word && !command)
		return ctl_fail(args, STATUS_USAGE,
				"there is no verb '%.60s'", word);
	if (args_has(args, "words"))
		return help_words(command);
	return help_print(command);
}

static const struct option_spec options[] = {
	{ "words", NULL, "only the names, one a line" },
	{ NULL }
};

const struct command cmd_help = {
	.name = "help",
	.words = "[VERB]",
	.max_words = 1,
	.summary = "explain a verb",
	.examples = "    replicactl help enable\n",
	.text = "Explains a verb, or lists them all.\n",
	.options = options,
	.run = run,
};

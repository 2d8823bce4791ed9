// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Asking before data could be lost.
 *
 * C1 nothing is asked of replicad before the answer, and any answer but yes
 *    changes nothing;
 * C2 a question is put only where somebody sits: stdin and stderr are
 *    terminals, and the output is not for a program (--json);
 * C3 where nobody sits, what can't be had back in any way, and what another
 *    site gives up (--keep local), is refused without --yes (CONFIRM_ALWAYS);
 *    what an option of its own has asked for in words (--force, --keep peer),
 *    and what is kept aside, goes on (CONFIRM_PEOPLE).
 */
#include "confirm.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool somebody_sits_here(const struct args *args)
{
	return !args_has(args, "json") && isatty(STDIN_FILENO) &&
	       isatty(STDERR_FILENO);
}

static bool is_yes(const char *line)
{
	size_t len = strcspn(line, "\r\n");

	return (len == 1 && (line[0] == 'y' || line[0] == 'Y')) ||
	       (len == 3 && !strncasecmp(line, "yes", 3));
}

bool confirm_asks(const struct args *args)
{
	return !args_has(args, "yes") && somebody_sits_here(args);
}

static int ask(const struct args *args, const char *what)
{
	char line[16] = "";

	fprintf(stderr, "%s\nGo on? [y/N] ", what);
	if (fgets(line, sizeof(line), stdin) && is_yes(line))
		return STATUS_OK;
	if (!strchr(line, '\n'))
		fputc('\n', stderr);
	return ctl_fail(args, STATUS_REFUSED, "not done: nothing has changed");
}

int confirm(const struct args *args, enum confirm who, const char *fmt, ...)
{
	char what[300];
	va_list list;

	if (args_has(args, "yes"))
		return STATUS_OK;
	va_start(list, fmt);
	vsnprintf(what, sizeof(what), fmt, list);
	va_end(list);
	if (somebody_sits_here(args))
		return ask(args, what);
	if (who == CONFIRM_PEOPLE)
		return STATUS_OK;
	return ctl_fail(args, STATUS_REFUSED, "%s There is nobody to ask: say "
			"--yes", what);
}

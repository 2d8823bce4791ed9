// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	max_level = level;
}

/* Control characters in a server's error text must not forge a line. */
static void make_printable(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

static int format_prefix(char *line, size_t size, enum log_level level,
			 const char *name)
{
	static const char *const priorities[] = { "<3>", "<4>", "<6>", "<7>" };
	static const char *const words[] = { "error: ", "warning: ", "", "" };

	return snprintf(line, size, "%sreplicad: %s%s%s",
			getenv("JOURNAL_STREAM") ? priorities[level] : "",
			name ? name : "", name ? ": " : "", words[level]);
}

void log_line(enum log_level level, const char *name, const char *fmt, ...)
{
	char line[1002];
	int len, left;
	va_list args;

	if (level > max_level)
		return;
	len = format_prefix(line, 256, level, name);
	if (len > 255)
		len = 255;
	left = sizeof(line) - 1 - len;
	va_start(args, fmt);
	vsnprintf(line + len, left, fmt, args);
	va_end(args);
	make_printable(line);
	len = strlen(line);
	line[len++] = '\n';
	if (write(STDERR_FILENO, line, len) < 0)
		return; /* nowhere left to say so */
}

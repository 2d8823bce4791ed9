// SPDX-License-Identifier: GPL-2.0-or-later
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* The journal's own protocol: a datagram of KEY=VALUE, a line each. */
#define JOURNAL	"/run/systemd/journal/socket"

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

static bool send_journal(const char *text)
{
	const struct sockaddr_un addr = { .sun_family = AF_UNIX,
					  .sun_path = JOURNAL };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_sent = fd >= 0 &&
		sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		       (const struct sockaddr *)&addr, sizeof(addr)) > 0;

	if (fd >= 0)
		close(fd);
	return is_sent;
}

/* "volume" -> REPLICA_VOLUME */
static void name_field(char field[32], const char *what)
{
	size_t len = snprintf(field, 32, "REPLICA_%.20s", what);

	for (size_t i = 0; i < len; i++)
		if (field[i] >= 'a' && field[i] <= 'z')
			field[i] -= 'a' - 'A';
}

void log_event(enum log_level level, const char *event, const char *what,
	       const char *name, const char *error)
{
	static const int priorities[] = { 3, 4, 6, 7 };
	char message[700], field[32], text[1600];

	if (level > max_level)
		return;
	snprintf(message, sizeof(message), "%s %s%s%s", event, what,
		 error ? ": " : "", error ?: "");
	name_field(field, what);
	snprintf(text, sizeof(text), "MESSAGE=%s%s%s\nPRIORITY=%d\n"
		 "SYSLOG_IDENTIFIER=replicad\nREPLICA_EVENT=%s\n%s=%s\n",
		 name, *name ? ": " : "", message, priorities[level], event,
		 field, name);
	if (!getenv("JOURNAL_STREAM") || !send_journal(text))
		log_line(level, *name ? name : NULL, "%s", message);
}

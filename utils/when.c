// SPDX-License-Identifier: GPL-2.0-or-later
#include "when.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"

#define DAY_S	86400

static int parse_epoch(const char *text, double now, double *seconds)
{
	char *end;

	if (text[0] != '@')
		return -1;
	*seconds = strtod(text + 1, &end);
	return end == text + 1 || *end ? -1 : 0;
}

/* "10m ago" */
static int parse_ago(const char *text, double now, double *seconds)
{
	size_t len = strlen(text);
	char span[20];
	double s;

	if (len < 5 || len >= sizeof(span) || strcmp(text + len - 4, " ago"))
		return -1;
	snprintf(span, sizeof(span), "%.*s", (int)len - 4, text);
	if (args_seconds(span, &s))
		return -1;
	*seconds = now - s;
	return 0;
}

/* The clock of a day; true if all of @text was it, but for a "Z". */
static bool parse_clock(const char *text, struct tm *tm, bool *is_utc)
{
	static const char *const formats[] = { "%H:%M:%S", "%H:%M" };

	for (int i = 0; i < 2; i++) {
		const char *end = strptime(text, formats[i], tm);

		if (end && (!*end || (!strcmp(end, "Z")))) {
			*is_utc = *end;
			return true;
		}
	}
	return false;
}

static int parse_date(const char *text, double now, double *seconds)
{
	struct tm tm = { .tm_isdst = -1 };
	const char *end = strptime(text, "%Y-%m-%d", &tm);
	bool is_utc;

	if (!end || (*end != ' ' && *end != 'T') ||
	    !parse_clock(end + 1, &tm, &is_utc))
		return -1;
	*seconds = is_utc ? timegm(&tm) : mktime(&tm);
	return 0;
}

/* Today, or yesterday if that is to come. */
static int parse_today(const char *text, double now, double *seconds)
{
	time_t t = now;
	struct tm tm;
	bool is_utc;

	localtime_r(&t, &tm);
	tm.tm_sec = 0;
	tm.tm_isdst = -1;
	if (!parse_clock(text, &tm, &is_utc) || is_utc)
		return -1;
	*seconds = mktime(&tm);
	if (*seconds > now)
		*seconds -= DAY_S;
	return 0;
}

int when_parse(const char *text, double now, double *seconds)
{
	static int (*const forms[])(const char *text, double now,
				    double *seconds) = {
		parse_epoch, parse_ago, parse_date, parse_today,
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (!forms[i](text, now, seconds) && *seconds > 0 &&
		    *seconds < 9e9)
			return 0;
	return -1;
}

char *when_print(char buf[WHEN_LEN], double seconds)
{
	time_t t = seconds;
	struct tm tm;
	size_t len;

	if (!localtime_r(&t, &tm))
		return strcpy(buf, "-");
	len = strftime(buf, WHEN_LEN, "%F %T", &tm);
	snprintf(buf + len, WHEN_LEN - len, ".%03d",
		 (int)((seconds - (double)t) * 1000) % 1000);
	return buf;
}

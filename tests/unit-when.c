// SPDX-License-Identifier: GPL-2.0-or-later
/* Moments, as people write them. The zone is two hours east of Greenwich. */
#include <stdlib.h>
#include <time.h>

#include "tap.h"
#include "when.h"

/* 2026-11-27 18:30:15 UTC, 20:30:15 here. */
#define NOW	1795804215.0

static double parse(const char *text)
{
	double seconds = -1;

	return when_parse(text, NOW, &seconds) ? -1 : seconds;
}

static void is_time(const char *text, double want)
{
	double got = parse(text);

	if (!ok(got == want, "'%s'", text))
		printf("# got %f, want %f\n", got, want);
}

int main(void)
{
	char buf[WHEN_LEN];

	setenv("TZ", "XYZ-2", 1);
	tzset();
	is_time("2026-11-27 20:30:15", NOW);
	is_time("2026-11-27T20:30", NOW - 15);
	is_time("2026-11-27T18:30:15Z", NOW);
	is_time("2026-11-27 18:30Z", NOW - 15);
	is_time("20:30:15", NOW);
	is_time("20:30", NOW - 15);
	is_time("20:31", NOW + 45 - 86400);
	is_time("10m ago", NOW - 600);
	is_time("90 ago", NOW - 90);
	is_time("1.5h ago", NOW - 5400);
	is_time("@1700000000", 1700000000);
	is_time("@1700000000.25", 1700000000.25);
	is_time("", -1);
	is_time("yesterday", -1);
	is_time("@", -1);
	is_time("@12x", -1);
	is_time("@-5", -1);
	is_time("-5m", -1);
	is_time("ago", -1);
	is_time("x ago", -1);
	is_time("2026-11-27", -1);
	is_time("2026-13-27 20:30", -1);
	is_time("2026-11-27 25:30", -1);
	is_time("20:30:15x", -1);
	is_str(when_print(buf, NOW + 0.25), "2026-11-27 20:30:15.250",
	       "and printed");
	return tap_done();
}

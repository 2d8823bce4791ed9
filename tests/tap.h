/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TAP output for unit tests: call ok() for each check, end main() with
 * "return tap_done();". The plan is printed last, so that nobody counts.
 * A test that leaves main() any other way has no plan and counts as failed.
 */
#ifndef REPLICA_TAP_H
#define REPLICA_TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define TAP_SKIP_STATUS	4	/* kselftest's exit status for "skipped" */

static unsigned int tap_nr;
static unsigned int tap_failed;

/* One check; returns its condition, so that a test can stop after a failure. */
static inline int __attribute__((format(printf, 4, 5)))
tap_check(int good, const char *file, int line, const char *fmt, ...)
{
	va_list args;

	printf("%sok %u - ", good ? "" : "not ", ++tap_nr);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	if (!good) {
		tap_failed++;
		printf("# failed at %s:%d\n", file, line);
	}
	fflush(stdout);
	return good;
}

#define ok(cond, ...) \
	tap_check(!!(cond), __FILE__, __LINE__, __VA_ARGS__)

/* Compare integers; a difference is shown with both values. */
#define is_int(got, want, ...) ({ \
	long long tap_got = (long long)(got); \
	long long tap_want = (long long)(want); \
	int tap_same = ok(tap_got == tap_want, __VA_ARGS__); \
	if (!tap_same) \
		printf("# got %lld, want %lld\n", tap_got, tap_want); \
	tap_same; })

/* Compare strings (either may be NULL); a difference is shown. */
#define is_str(got, want, ...) ({ \
	const char *tap_got = (got), *tap_want = (want); \
	int tap_same = ok(tap_got == tap_want || (tap_got && tap_want && \
			  !strcmp(tap_got, tap_want)), __VA_ARGS__); \
	if (!tap_same) \
		printf("# got '%s', want '%s'\n", \
		       tap_got ? tap_got : "(null)", \
		       tap_want ? tap_want : "(null)"); \
	tap_same; })

/* The whole test cannot run here: "return tap_skip_all("no io_uring");" */
static inline int tap_skip_all(const char *why)
{
	printf("1..0 # SKIP %s\n", why);
	return TAP_SKIP_STATUS;
}

/* Prints the plan; returns the exit status. */
static inline int tap_done(void)
{
	printf("1..%u\n", tap_nr);
	return tap_nr && !tap_failed ? 0 : 1;
}

#endif

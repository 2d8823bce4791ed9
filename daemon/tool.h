/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A program that does one thing and ends, for what no library does. No shell:
 * an argument is an argument. Blocks; any thread.
 */
#ifndef REPLICAD_TOOL_H
#define REPLICAD_TOOL_H

#define TOOL_SAID	1024

/* Seconds: what is killed while it changes things leaves a half. */
#define TOOL_LOOKS	30
#define TOOL_CHANGES	600

/*
 * Runs @argv, found in PATH, for @seconds at most. What it writes to @stream, 1
 * or 2, is in @said: its beginning, on one line. 0: it ended well; -EIO: not;
 * -ETIMEDOUT: it had to be killed; another -errno: it could not be run.
 */
int tool_run(const char *const argv[], int seconds, int stream,
	     char said[TOOL_SAID]);

#endif

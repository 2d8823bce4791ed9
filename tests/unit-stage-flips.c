// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A log in files of which any one byte is another: each in turn. If this fails,
 * there is a byte at which a stage crashes, hangs, shows what never was, or
 * shows an older image without a word. Larger logs, in longer steps:
 * unit-stage-bad.
 */
#include <stdio.h>
#include <string.h>

#include "stage-flips.h"
#include "stage-format.h"

static const struct stage_options in_files = { .history_ms = 3600000 };

static bool is_log(const char *name)
{
	return strstr(name, ".seg") || strstr(name, "checkpoint") ||
	       strstr(name, ".volume");
}

static void test_files(void)
{
	struct seen seen = { 0 }, zeros = { 0 }, fronts = { 0 };
	const char *name;

	make_log(&in_files);
	for (unsigned int i = 0; (name = disk_name(d, i)); i++) {
		if (!is_log(name))
			continue;
		flip_part(&in_files, name, 0, UINT64_MAX, look, &seen);
		if (!strstr(name, ".seg"))
			continue;
		zero_part(&in_files, name, 0, UINT64_MAX, STAGE_ALIGN, look,
			  &zeros);
		zero_part(&in_files, name, 0, STAGE_BLOCK_BYTES,
			  STAGE_BLOCK_BYTES, look, &fronts);
	}
	say(&seen, "each byte of a log in files");
	ok(seen.behind, "some cost epochs");
	ok(seen.torn <= 2 * FLIP_SECTOR + stage_commit_len(1),
	   "%u are as if power was lost: payloads of the last epoch",
	   seen.torn);
	say(&zeros, "each piece of it, which is zeros then");
	ok(zeros.torn, "%u are as if power was lost", zeros.torn);
	ok(fronts.behind && !fronts.wrong && !fronts.silent && !fronts.torn,
	   "a segment's front that is zeros costs epochs, and a word of it");
	disk_destroy(d);
}

int main(void)
{
	test_files();
	return tap_done();
}

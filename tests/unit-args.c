// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Command line, guesses and units of replicactl: if this fails, a typing error
 * does something else than what was meant, or a number is shown wrongly.
 */
#include "args.h"

#include <stdio.h>
#include <string.h>

#include "print.h"
#include "tap.h"
#include "util/nearest.h"

static const struct option_spec own[] = {
	{ "target", "URI", "" }, { "watch", "[=TIME]", "" },
	{ "unsafe", NULL, "" }, { NULL }
};

static const struct option_spec global[] = {
	{ "json", NULL, "" }, { "help", NULL, "" }, { NULL }
};

static const struct option_spec *const lists[] = { own, global, NULL };

static struct args args;
static char why[ARGS_WHY];

/* The words of one line, split at single blanks. */
static int parse(const char *line)
{
	static char copy[400];
	char *argv[32], *word;
	int argc = 0;

	snprintf(copy, sizeof(copy), "%s", line);
	for (word = strtok(copy, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	why[0] = 0;
	return args_parse(&args, lists, argc, argv, why);
}

static void test_good(void)
{
	is_int(parse("vol --target nbd://h/x --json more"), 0, "a line");
	ok(args.nr_words == 2 && !strcmp(args.words[1], "more"), "words");
	is_str(args_value(&args, "target"), "nbd://h/x", "a value");
	ok(args_has(&args, "json") && !args_value(&args, "json"), "a flag");
	ok(!args_has(&args, "unsafe"), "what is not there");
	is_int(parse("--target=a --target b"), 0, "with =, and twice");
	is_str(args_value(&args, "target"), "b", "the last counts");
	is_int(parse("--target="), 0, "an empty value");
	is_str(args_value(&args, "target"), "", "is one");
	is_int(parse("--watch 1s"), 0, "a value that may be left out");
	ok(!args_value(&args, "watch") && args.nr_words == 1,
	   "needs its =");
	is_int(parse("--watch=1s"), 0, "with it");
	is_str(args_value(&args, "watch"), "1s", "it is taken");
	is_int(parse("a -- --json -x"), 0, "after --");
	ok(args.nr_words == 3 && !args_has(&args, "json"), "all are words");
	is_int(parse("-h"), 0, "-h");
	ok(args_has(&args, "help"), "is --help");
	is_int(parse("-"), 0, "a dash");
	is_int(args.nr_words, 1, "is a word");
}

static void refuses(const char *line, const char *words)
{
	ok(parse(line) == -1 && strstr(why, words), "%s: %s", line, why);
}

static void test_bad(void)
{
	refuses("--jsno", "did you mean --json?");
	refuses("--unsave", "did you mean --unsafe?");
	refuses("--tar x", "did you mean --target?");
	refuses("--target", "needs a value: URI");
	refuses("--json=1", "takes no value");
	refuses("-j", "long names");
	refuses("--xyzzy", "no option --xyzzy");
	ok(!strstr(why, "mean"), "no wild guess");
	refuses("1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7", "too many words");
	refuses("--json --json --json --json --json --json --json --json "
		"--json --json --json --json --json --json --json --json "
		"--json", "too many options");
	refuses("--aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"no option");
}

static void test_nearest(void)
{
	is_int(nearest_distance("status", "status"), 0, "the same word");
	is_int(nearest_distance("staus", "status"), 1, "a letter left out");
	is_int(nearest_distance("sttaus", "status"), 1, "two letters swapped");
	is_int(nearest_distance("", "abc"), 3, "nothing");
	is_int(nearest_distance("kitten", "sitting"), 3, "three edits");
}

static void bytes(const char *text, int want, unsigned long long value)
{
	unsigned long long got = 0;
	int ret = args_bytes(text, &got);

	ok(ret == want && got == value, "%s is %llu bytes (%d)", text, got,
	   ret);
}

static void test_units(void)
{
	static const char *const bad[] = { "", "s", "1x", "-1s", "1 s", "0x5",
					   "inf", "nan" };
	double seconds;
	size_t i, refused = 0;

	bytes("4096", 0, 4096);
	bytes("1.5KiB", 0, 1536);
	bytes("2TiB", 0, 2ULL << 40);
	bytes("1MB", -1, 0);
	bytes("9000000000000TiB", -1, 0);
	bytes("-1", -1, 0);
	ok(!args_seconds("500ms", &seconds) && seconds == 0.5, "500ms");
	ok(!args_seconds("2m", &seconds) && seconds == 120, "2m");
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		refused += args_seconds(bad[i], &seconds) == -1;
	is_int(refused, i, "what is no time is refused");
}

static void test_print(void)
{
	char buf[PRINT_LEN];

	is_str(print_bytes(buf, 0), "0 B", "no bytes");
	is_str(print_bytes(buf, 1023), "1023 B", "bytes");
	is_str(print_bytes(buf, 1536), "1.5 KiB", "KiB");
	is_str(print_bytes(buf, 1048575), "1.0 MiB", "rounded up");
	is_str(print_bytes(buf, 300.0 * (1 << 20)), "300 MiB", "MiB");
	is_str(print_bytes(buf, 0x1p70), "1024 EiB", "very much");
	is_str(print_seconds(buf, 0.25), "0.2 s", "a moment");
	is_str(print_seconds(buf, 12.3), "12 s", "seconds");
	is_str(print_seconds(buf, 125), "2 min 05 s", "minutes");
	is_str(print_seconds(buf, 3600 * 26 + 60), "26 h 01 min", "hours");
	is_str(print_seconds(buf, 86400 * 3), "3 days", "days");
	is_str(print_seconds(buf, -5), "0.0 s", "the future");
	is_str(print_seconds(buf, 1e300), "very long", "nonsense");
}

int main(void)
{
	test_good();
	test_bad();
	test_nearest();
	test_units();
	test_print();
	return tap_done();
}

// SPDX-License-Identifier: GPL-2.0-or-later
/* The operators of extra specs. */
#include <stddef.h>

#include "config-match.h"
#include "tap.h"

static const struct {
	const char *wanted, *value;
	bool holds;
} cases[] = {
	{ "async", "async", true }, { "async", "sync", false },
	{ "async", "async2", false }, { "", "", true }, { "", "x", false },
	{ "<is> True", "True", true }, { "<is> true", "yes", true },
	{ "<is> False", "True", false }, { "<is> no", "False", true },
	{ "<is> maybe", "maybe", false }, { "<is>", "True", false },
	{ "<is> True", "perhaps", false },
	{ "<in> async", "async", true }, { "<in> syn", "async", true },
	{ "<in> sync2", "async", false },
	{ "<in>", "async", false }, { "s>=", "a", false },
	{ "<all-in> a b", "xaybz", true }, { "<all-in> a c", "xaybz", false },
	{ "<or> 10 <or> 9", "9", true }, { "<or> 10 <or> 9", "10", true },
	{ "<or> 10 <or> 9", "1", false }, { "<or> 10", "100", false },
	{ "= 2", "3", true }, { "= 2", "2", true }, { "= 2", "1", false },
	{ "== 2", "2.0", true }, { "== 2", "3", false },
	{ "== x", "x", false }, { "!= 2", "3", true }, { "!= 2", "2", false },
	{ "!= 2", "x", false },
	{ ">= 2", "2", true }, { ">= 2", "10", true }, { ">= 2", "1", false },
	{ "<= 2", "2", true }, { "<= 2", "10", false }, { "<= 2", "x", false },
	{ "s== a", "a", true }, { "s== a", "b", false },
	{ "s!= a", "b", true }, { "s!= a", "a", false },
	{ "s< 12", "10", true }, { "s< 12", "9", false },
	{ "s<= b", "b", true }, { "s<= b", "c", false },
	{ "s> 10", "9", true }, { "s> b", "b", false },
	{ "s>= b", "b", true }, { "s>= b", "a", false },
	{ "frob x", "x", false }, { "frob x", "frob x", true },
};

int main(void)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		is_int(spec_holds(cases[i].wanted, cases[i].value),
		       cases[i].holds, "\"%s\" of \"%s\"", cases[i].wanted,
		       cases[i].value);
	return tap_done();
}

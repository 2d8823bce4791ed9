// SPDX-License-Identifier: GPL-2.0-or-later
/* stage-dump DIR: what a stage's directory holds. */
#include "dump-stage.h"

#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: stage-dump DIR\n");
		return 2;
	}
	return dump_stage(argv[1]);
}

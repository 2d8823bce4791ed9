/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For libraries that LD_PRELOAD puts before a program under test. */
#ifndef TESTS_PRELOAD_H
#define TESTS_PRELOAD_H

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * The first @len bytes of the file that the variable @name names, as they are
 * at any moment: so a test says what it wants while the program runs. Aborts
 * where there is no such file.
 */
static inline const char *preload_map(const char *name, size_t len)
{
	const char *path = getenv(name);
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *map = fd < 0 ? MAP_FAILED : mmap(NULL, len, PROT_READ, MAP_SHARED,
					       fd, 0);

	if (map == MAP_FAILED)
		abort();
	close(fd);
	return map;
}

#endif

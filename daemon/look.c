// SPDX-License-Identifier: GPL-2.0-or-later
#include "look.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "kernel.h"

struct look {
	struct dmr_info *devices;	/* by number */
	size_t nr, cap;
};

static int add(void *arg, const struct dmr_info *info)
{
	struct look *look = arg;

	if (look->nr == look->cap) {
		size_t cap = look->cap ? 2 * look->cap : 16;
		struct dmr_info *grown = reallocarray(look->devices, cap,
						      sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		look->devices = grown;
		look->cap = cap;
	}
	look->devices[look->nr++] = *info;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct dmr_info *x = a, *y = b;

	return x->dev < y->dev ? -1 : x->dev > y->dev;
}

/* Most kernels list them in order: then nothing this large is moved. */
static void sort(struct look *look)
{
	for (size_t i = 1; i < look->nr; i++) {
		if (look->devices[i - 1].dev < look->devices[i].dev)
			continue;
		qsort(look->devices, look->nr, sizeof(*look->devices),
		      compare);
		return;
	}
}

struct look *look_take(struct kernel *kernel)
{
	struct look *look = calloc(1, sizeof(*look));

	if (!look)
		return NULL;
	if (kernel_get_all(kernel, add, look)) {
		look_destroy(look);
		return NULL;
	}
	sort(look);
	return look;
}

void look_destroy(struct look *look)
{
	if (!look)
		return;
	free(look->devices);
	free(look);
}

const struct dmr_info *look_find(const struct look *look, uint64_t dev)
{
	size_t from = 0, to = look->nr;

	while (from < to) {
		size_t mid = from + (to - from) / 2;

		if (look->devices[mid].dev == dev)
			return &look->devices[mid];
		if (look->devices[mid].dev < dev)
			from = mid + 1;
		else
			to = mid;
	}
	return NULL;
}

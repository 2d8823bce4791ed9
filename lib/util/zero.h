/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is a piece of memory all zeros? Most data says no in its first bytes. */
#ifndef REPLICA_UTIL_ZERO_H
#define REPLICA_UTIL_ZERO_H

#include <isa-l/mem_routines.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool is_zero(const void *mem, size_t len)
{
	uint64_t first;

	if (len >= sizeof(first)) {
		memcpy(&first, mem, sizeof(first));
		if (first)
			return false;
	}
	return !isal_zero_detect((void *)mem, len);
}

#endif

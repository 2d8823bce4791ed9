// SPDX-License-Identifier: GPL-2.0-or-later
#include "plugin-list.h"

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <stdlib.h>
#include <string.h>

#define CRC_OFFSET	(LIST_HEADER_BYTES - 4)
#define FIRST_SIZE	16384

static uint32_t crc_of(const void *buf, size_t len)
{
	return ~crc32_iscsi((void *)buf, len, ~0U);
}

static void put64(char *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(char *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

/* What is new is zero. */
static int make_room(struct extent_list *l, size_t len)
{
	size_t size = l->size ? l->size : FIRST_SIZE;
	char *more;

	if (len <= l->size)
		return 0;
	while (size < len)
		size *= 2;
	more = realloc(l->bytes, size);
	if (!more)
		return -ENOMEM;
	memset(more + l->size, 0, size - l->size);
	l->bytes = more;
	l->size = size;
	return 0;
}

static char *pair_at(const struct extent_list *l, uint64_t n)
{
	return l->bytes + LIST_HEADER_BYTES + n * LIST_PAIR_BYTES;
}

static void grow_last(struct extent_list *l, uint64_t len)
{
	char *at = pair_at(l, l->nr - 1) + 8;
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	put64(at, le64toh(value) + len);
}

int extent_list_add(struct extent_list *l, uint64_t off, uint64_t len)
{
	assert(off >= l->end || !l->nr);
	if (l->nr && off == l->end) {
		grow_last(l, len);
	} else {
		if (l->nr == LIST_PAIRS_MAX)
			return -E2BIG;
		if (make_room(l, LIST_HEADER_BYTES +
			      (l->nr + 1) * LIST_PAIR_BYTES))
			return -ENOMEM;
		put64(pair_at(l, l->nr), off);
		put64(pair_at(l, l->nr) + 8, len);
		l->nr++;
	}
	l->end = off + len;
	l->total += len;
	return 0;
}

int extent_list_finish(struct extent_list *l, uint64_t volume_bytes,
		       uint64_t epoch)
{
	size_t pairs = l->nr * LIST_PAIR_BYTES;
	size_t len = LIST_HEADER_BYTES + pairs;

	len = (len + LIST_ALIGN - 1) & ~(size_t)(LIST_ALIGN - 1);
	if (make_room(l, len))
		return -ENOMEM;
	memcpy(l->bytes, "dmReplEx", 8);
	put32(l->bytes + 8, LIST_VERSION);
	put32(l->bytes + 12, LIST_HEADER_BYTES);
	put64(l->bytes + 16, volume_bytes);
	put64(l->bytes + 24, epoch);
	put64(l->bytes + 32, l->nr);
	put64(l->bytes + 40, l->total);
	put32(l->bytes + 48, crc_of(pair_at(l, 0), pairs));
	put32(l->bytes + CRC_OFFSET, crc_of(l->bytes, CRC_OFFSET));
	l->len = len;
	return 0;
}

void extent_list_clear(struct extent_list *l)
{
	free(l->bytes);
	memset(l, 0, sizeof(*l));
}

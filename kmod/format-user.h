/* SPDX-License-Identifier: GPL-2.0 */
/* What kmod/format.c takes from the kernel, for programs. */
#ifndef DMR_FORMAT_USER_H
#define DMR_FORMAT_USER_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <isa-l/crc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/types.h>

#ifndef KSHIM_H
typedef uint8_t u8;
typedef uint32_t u32;
typedef uint64_t u64;
#endif

#define cpu_to_le16(n)	((__le16)htole16(n))
#define cpu_to_le32(n)	((__le32)htole32(n))
#define cpu_to_le64(n)	((__le64)htole64(n))
#define le16_to_cpu(n)	le16toh((uint16_t)(n))
#define le32_to_cpu(n)	le32toh((uint32_t)(n))
#define le64_to_cpu(n)	le64toh((uint64_t)(n))

static inline u32 crc32c(u32 crc, const void *data, size_t len)
{
	return crc32_iscsi((unsigned char *)data, len, crc);
}

static inline u64 div_u64_rem(u64 n, u32 by, u32 *rest)
{
	*rest = n % by;
	return n / by;
}

static inline bool is_power_of_2(u64 n)
{
	return n && !(n & (n - 1));
}

static inline void *memchr_inv(const void *data, int c, size_t len)
{
	const u8 *p = data;

	for (; len; p++, len--)
		if (*p != (u8)c)
			return (void *)p;
	return NULL;
}

#endif

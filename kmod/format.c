// SPDX-License-Identifier: GPL-2.0
/*
 * The codec of the metadata device. Pure: no state, no I/O, no allocation.
 *
 * Invariants:
 *  F1 What was not written by us is never taken for valid: magic, checksum,
 *     version and the sense of every field are looked at before any is used.
 *  F2 Only a device whose first block is all zeros is new. Damage is never.
 *  F3 Bits that can't be trusted are ones: too much is shipped, never too
 *     little.
 */
#include "format.h"

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/crc32c.h>
#include <linux/errno.h>
#include <linux/log2.h>
#include <linux/math64.h>
#include <linux/stddef.h>
#include <linux/string.h>
#endif
#include <linux/dm-replica.h>

static_assert(sizeof(struct dmr_super_disk) == DMR_BLOCK_SIZE);
static_assert(sizeof(struct dmr_bits_disk) == 512);
static_assert(sizeof(struct dmr_witness_disk) == 24);
static_assert(DMR_SECTOR_BITS % 64 == 0);
static_assert(offsetof(struct dmr_super_disk, sectors) == 56);
static_assert(offsetof(struct dmr_super_disk, incarnations) == 160);

#define MIN_CHUNK	8
#define MAX_CHUNK	2048
#define MIN_REGION	64		/* chunks */
#define MAX_REGION	32768

/* ---- where things are ---- */

static u64 quotient(u64 n, u32 by)
{
	u32 rest;

	return div_u64_rem(n, by, &rest);
}

static u64 rounded_up(u64 n, u32 by)
{
	u32 rest;
	u64 q = div_u64_rem(n, by, &rest);

	return q + !!rest;
}

bool dmr_layout_init(struct dmr_layout *l, u64 sectors, u32 chunk_sectors,
		     u32 region_sectors)
{
	u64 groups, last;

	if (!sectors || sectors > 1ULL << 54 || !is_power_of_2(chunk_sectors) ||
	    !is_power_of_2(region_sectors) || chunk_sectors < MIN_CHUNK ||
	    chunk_sectors > MAX_CHUNK ||
	    region_sectors / chunk_sectors < MIN_REGION ||
	    region_sectors / chunk_sectors > MAX_REGION)
		return false;
	l->sectors = sectors;
	l->chunk_sectors = chunk_sectors;
	l->region_sectors = region_sectors;
	l->region_chunks = region_sectors / chunk_sectors;
	l->nr_chunks = rounded_up(sectors, chunk_sectors);
	l->nr_regions = rounded_up(sectors, region_sectors);
	if (l->nr_regions > ~(u32)0)
		return false;
	groups = quotient(l->nr_regions - 1, DMR_BLOCK_BITS);
	last = l->nr_chunks - groups * DMR_BLOCK_BITS * l->region_chunks;
	l->nr_blocks = DMR_NR_SUPERS + groups * (1 + l->region_chunks) +
		       1 + rounded_up(last, DMR_BLOCK_BITS);
	return true;
}

static u64 group_start(const struct dmr_layout *l, u64 group)
{
	return DMR_NR_SUPERS + group * (1 + l->region_chunks);
}

u64 dmr_layout_hot_block(const struct dmr_layout *l, u64 region)
{
	return group_start(l, quotient(region, DMR_BLOCK_BITS));
}

u64 dmr_layout_chunk_block(const struct dmr_layout *l, u64 chunk)
{
	u32 in_group;
	u64 group = div_u64_rem(quotient(chunk, DMR_BLOCK_BITS),
				l->region_chunks, &in_group);

	return group_start(l, group) + 1 + in_group;
}

u64 dmr_layout_nr_hot_blocks(const struct dmr_layout *l)
{
	return rounded_up(l->nr_regions, DMR_BLOCK_BITS);
}

u64 dmr_layout_nr_chunk_blocks(const struct dmr_layout *l)
{
	return rounded_up(l->nr_chunks, DMR_BLOCK_BITS);
}

/* ---- blocks of bits ---- */

static struct dmr_bits_disk *sector_of(void *block, unsigned int bit)
{
	return (struct dmr_bits_disk *)block + bit / DMR_SECTOR_BITS;
}

/* The part of one byte that a run has from @bit on; *@mask says which bits. */
static unsigned int in_byte(unsigned int bit, unsigned int count, u8 *mask)
{
	unsigned int n = 8 - bit % 8;

	n = n < count ? n : count;
	*mask = ((1U << n) - 1) << bit % 8;
	return n;
}

static u8 *byte_of(void *block, unsigned int bit)
{
	return &sector_of(block, bit)->bits[bit % DMR_SECTOR_BITS / 8];
}

void dmr_block_set(void *block, unsigned int from, unsigned int count)
{
	unsigned int n;
	u8 mask;

	for (; count; from += n, count -= n) {
		n = in_byte(from, count, &mask);
		*byte_of(block, from) |= mask;
	}
}

void dmr_block_clear(void *block, unsigned int from, unsigned int count)
{
	unsigned int n;
	u8 mask;

	for (; count; from += n, count -= n) {
		n = in_byte(from, count, &mask);
		*byte_of(block, from) &= ~mask;
	}
}

void dmr_block_put(void *block, unsigned int at, const u64 *words,
		   unsigned int nr)
{
	__le64 word;

	for (; nr; nr--, words++, at += 64) {
		word = cpu_to_le64(*words);
		memcpy(byte_of(block, at), &word, sizeof(word));
	}
}

void dmr_block_get(const void *block, unsigned int at, u64 *words,
		   unsigned int nr)
{
	__le64 word;

	for (; nr; nr--, words++, at += 64) {
		memcpy(&word, byte_of((void *)block, at), sizeof(word));
		*words = le64_to_cpu(word);
	}
}

bool dmr_block_test(const void *block, unsigned int bit)
{
	return *byte_of((void *)block, bit) >> bit % 8 & 1;
}

unsigned int dmr_block_next(const void *block, bool set, unsigned int from,
			    unsigned int end)
{
	u8 byte, skip = set ? 0 : 0xff;

	while (from < end) {
		byte = *byte_of((void *)block, from);
		if ((byte >> from % 8 & 1) == set)
			return from;
		from += from % 8 == 0 && byte == skip ? 8 : 1;
	}
	return end;
}

static u32 id_crc(const u8 *volume_id)
{
	return crc32c(~0U, volume_id, 16);
}

static u32 bits_crc(const struct dmr_bits_disk *b, u32 id, u64 sector)
{
	return ~crc32c(id ^ (u32)sector ^ (u32)(sector >> 32), &b->reserved,
		       sizeof(*b) - sizeof(b->crc));
}

void dmr_block_seal(void *block, const u8 *volume_id, u64 nr, u8 sectors)
{
	struct dmr_bits_disk *b = block;
	u32 id = id_crc(volume_id);
	unsigned int i;

	for (i = 0; i < DMR_BLOCK_SECTORS; i++) {
		if (!(sectors >> i & 1))
			continue;
		b[i].reserved = 0;
		b[i].crc = cpu_to_le32(bits_crc(&b[i], id,
						nr * DMR_BLOCK_SECTORS + i));
	}
}

/* F3. */
unsigned int dmr_block_check(void *block, const u8 *volume_id, u64 nr,
			     u8 sectors)
{
	struct dmr_bits_disk *b = block;
	u32 crc, id = id_crc(volume_id);
	unsigned int i, bad = 0;

	for (i = 0; i < DMR_BLOCK_SECTORS; i++) {
		if (!(sectors >> i & 1))
			continue;
		crc = bits_crc(&b[i], id, nr * DMR_BLOCK_SECTORS + i);
		if (le32_to_cpu(b[i].crc) == crc)
			continue;
		memset(b[i].bits, 0xff, sizeof(b[i].bits));
		bad++;
	}
	return bad;
}

/* ---- the superblock ---- */

static u32 super_crc(const void *block)
{
	static const u8 zero[4];
	size_t at = offsetof(struct dmr_super_disk, crc);
	u32 crc = crc32c(~0U, block, at);

	crc = crc32c(crc, zero, sizeof(zero));
	at += sizeof(zero);
	return ~crc32c(crc, (const u8 *)block + at, DMR_BLOCK_SIZE - at);
}

static void encode_lists(const struct dmr_super *s, struct dmr_super_disk *d)
{
	unsigned int i;

	for (i = 0; i < s->nr_incarnations; i++)
		d->incarnations[i] = cpu_to_le64(s->incarnations[i]);
	for (i = 0; i < s->nr_ancestors; i++) {
		d->ancestors[i].generation =
			cpu_to_le64(s->ancestors[i].generation);
		d->ancestors[i].end_epoch =
			cpu_to_le64(s->ancestors[i].end_epoch);
	}
	for (i = 0; i < s->nr_witnesses; i++) {
		d->witnesses[i].sector = cpu_to_le64(s->witnesses[i].sector);
		d->witnesses[i].sectors = cpu_to_le32(s->witnesses[i].sectors);
		d->witnesses[i].digest = cpu_to_le64(s->witnesses[i].digest);
	}
}

void dmr_super_encode(const struct dmr_super *s, void *block)
{
	struct dmr_super_disk *d = block;

	memset(d, 0, sizeof(*d));
	memcpy(d->magic, DMR_SUPER_MAGIC, sizeof(d->magic));
	d->version = cpu_to_le16(DMR_FORMAT_VERSION);
	d->min_version = cpu_to_le16(DMR_FORMAT_VERSION);
	d->sequence = cpu_to_le64(s->sequence);
	memcpy(d->volume_id, s->volume_id, sizeof(d->volume_id));
	d->sectors = cpu_to_le64(s->sectors);
	d->chunk_sectors = cpu_to_le32(s->chunk_sectors);
	d->region_sectors = cpu_to_le32(s->region_sectors);
	d->role = cpu_to_le32(s->role);
	d->flags = cpu_to_le32(s->flags);
	d->generation = cpu_to_le64(s->generation);
	d->last_committed = cpu_to_le64(s->last_committed);
	d->highest_seen = cpu_to_le64(s->highest_seen);
	d->suspect_epoch = cpu_to_le64(s->suspect_epoch);
	d->loads = cpu_to_le64(s->loads);
	d->last_write = cpu_to_le64(s->last_write);
	d->last_contact = cpu_to_le64(s->last_contact);
	d->nr_ancestors = cpu_to_le32(s->nr_ancestors);
	d->nr_incarnations = cpu_to_le32(s->nr_incarnations);
	d->nr_witnesses = cpu_to_le32(s->nr_witnesses);
	d->witness_seed = cpu_to_le64(s->witness_seed);
	encode_lists(s, d);
	d->crc = cpu_to_le32(super_crc(d));
}

static void decode_lists(const struct dmr_super_disk *d, struct dmr_super *s)
{
	unsigned int i;

	for (i = 0; i < s->nr_incarnations; i++)
		s->incarnations[i] = le64_to_cpu(d->incarnations[i]);
	for (i = 0; i < s->nr_ancestors; i++) {
		s->ancestors[i].generation =
			le64_to_cpu(d->ancestors[i].generation);
		s->ancestors[i].end_epoch =
			le64_to_cpu(d->ancestors[i].end_epoch);
	}
	for (i = 0; i < s->nr_witnesses; i++) {
		s->witnesses[i].sector = le64_to_cpu(d->witnesses[i].sector);
		s->witnesses[i].sectors = le32_to_cpu(d->witnesses[i].sectors);
		s->witnesses[i].digest = le64_to_cpu(d->witnesses[i].digest);
	}
}

static void decode_fields(const struct dmr_super_disk *d, struct dmr_super *s)
{
	s->sequence = le64_to_cpu(d->sequence);
	memcpy(s->volume_id, d->volume_id, sizeof(s->volume_id));
	s->sectors = le64_to_cpu(d->sectors);
	s->chunk_sectors = le32_to_cpu(d->chunk_sectors);
	s->region_sectors = le32_to_cpu(d->region_sectors);
	s->role = le32_to_cpu(d->role);
	s->flags = le32_to_cpu(d->flags);
	s->generation = le64_to_cpu(d->generation);
	s->last_committed = le64_to_cpu(d->last_committed);
	s->highest_seen = le64_to_cpu(d->highest_seen);
	s->suspect_epoch = le64_to_cpu(d->suspect_epoch);
	s->loads = le64_to_cpu(d->loads);
	s->last_write = le64_to_cpu(d->last_write);
	s->last_contact = le64_to_cpu(d->last_contact);
	s->nr_ancestors = le32_to_cpu(d->nr_ancestors);
	s->nr_incarnations = le32_to_cpu(d->nr_incarnations);
	s->nr_witnesses = le32_to_cpu(d->nr_witnesses);
	s->witness_seed = le64_to_cpu(d->witness_seed);
}

/* F1: a sentence if the fields make no sense, although the checksum holds. */
static const char *nonsense(const struct dmr_super *s)
{
	struct dmr_layout l;

	if (!dmr_layout_init(&l, s->sectors, s->chunk_sectors,
			     s->region_sectors))
		return "the superblock's sizes make no sense";
	if (s->nr_ancestors > DMR_MAX_ANCESTORS ||
	    s->nr_incarnations > DMR_MAX_INCARNATIONS ||
	    s->nr_witnesses > DMR_MAX_WITNESSES)
		return "the superblock's lists are too long";
	if (s->role != DMR_ROLE_PRIMARY && s->role != DMR_ROLE_SECONDARY)
		return "the superblock's role is unknown";
	if (s->flags & ~__DMR_SUPER_F_ALL)
		return "the superblock has unknown flags";
	if (s->last_committed > s->highest_seen)
		return "the superblock's last epoch was never cut";
	return NULL;
}

static const char *bad_witness(const struct dmr_super *s)
{
	const struct dmr_witness *w = s->witnesses;

	for (; w < s->witnesses + s->nr_witnesses; w++)
		if (!w->sectors || w->sectors > 2048 ||
		    w->sectors > s->sectors ||
		    w->sector > s->sectors - w->sectors)
			return "a witness is not a piece of the volume";
	return NULL;
}

static const char *unsupported(const struct dmr_super_disk *d)
{
	if (le16_to_cpu(d->min_version) > DMR_FORMAT_VERSION)
		return "the format is newer than this version can read";
	if (!le16_to_cpu(d->version) || !le16_to_cpu(d->min_version))
		return "the format is older than this version can read";
	if (le64_to_cpu(d->incompat) & ~DMR_FORMAT_INCOMPAT)
		return "the format has features unknown to this version";
	return NULL;
}

int dmr_super_decode(const void *block, struct dmr_super *s, const char **why)
{
	const struct dmr_super_disk *d = block;

	*why = "the superblock is empty";
	if (!memchr_inv(block, 0, DMR_BLOCK_SIZE))
		return -ENODATA;
	*why = "it is no superblock of a replica volume";
	if (memcmp(d->magic, DMR_SUPER_MAGIC, sizeof(d->magic)))
		return -EUCLEAN;
	*why = "the superblock's checksum does not match";
	if (le32_to_cpu(d->crc) != super_crc(d))
		return -EUCLEAN;
	*why = unsupported(d);
	if (*why)
		return -EOPNOTSUPP;
	memset(s, 0, sizeof(*s));
	decode_fields(d, s);
	*why = nonsense(s);
	if (*why)
		return -EUCLEAN;
	decode_lists(d, s);
	*why = bad_witness(s);
	return *why ? -EUCLEAN : 0;
}

int dmr_super_choose(const void *slot0, const void *slot1,
		     struct dmr_super *s, const char **why)
{
	const struct dmr_super_disk *d0 = slot0, *d1 = slot1;
	const char *why1, *other;
	int r0, r1, best;

	r0 = dmr_super_decode(slot0, s, why);
	if (r0 == -ENODATA || r0 == -EOPNOTSUPP)		/* F2 */
		return r0;
	r1 = dmr_super_decode(slot1, s, &why1);
	/* It may well be the newer one: then ours is out of date. */
	if (r1 == -EOPNOTSUPP) {
		*why = why1;
		return r1;
	}
	if (r0 && r1)
		return r0;
	if (!r0 && !r1 && memcmp(d0->volume_id, d1->volume_id, 16)) {
		*why = "the two superblocks are of different volumes";
		return -EUCLEAN;
	}
	other = r0 ? *why : why1;
	best = r0 || (!r1 && le64_to_cpu(d1->sequence) >
			     le64_to_cpu(d0->sequence));
	if (!best)
		dmr_super_decode(slot0, s, why);
	*why = other;
	return best;
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * meta-fill DEVICE: random chunk bits on a metadata device that nobody has
 * in use; about a quarter of the chunks becomes dirty, some in every region.
 * Prints how many are.
 */
#include "../kmod/format.c"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "meta-fill: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* xorshift64* */
static uint64_t some_bits(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15ULL;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dULL;
}

/* One block, of which @nr bits count; returns how many of these are set. */
static uint64_t fill(uint8_t *block, unsigned int nr)
{
	static uint64_t word[DMR_BLOCK_BITS / 64];
	uint64_t set = 0;
	unsigned int i;

	for (i = 0; i < DMR_BLOCK_BITS / 64; i++) {
		word[i] = some_bits() & some_bits();
		if ((i + 1) * 64 <= nr)
			set += __builtin_popcountll(word[i]);
		else if (i * 64 < nr)
			set += __builtin_popcountll(word[i] &
						    ~(~0ULL << nr % 64));
	}
	dmr_block_put(block, 0, word, DMR_BLOCK_BITS / 64);
	return set;
}

int main(int argc, char **argv)
{
	static uint8_t slot[2][DMR_BLOCK_SIZE], block[DMR_BLOCK_SIZE];
	struct dmr_layout l;
	struct dmr_super super;
	uint64_t chunk, nr, set = 0;
	unsigned int n;
	const char *why;
	int fd;

	if (argc != 2) {
		fputs("usage: meta-fill DEVICE\n", stderr);
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || pread(fd, slot, sizeof(slot), 0) != sizeof(slot))
		die(argv[1]);
	if (dmr_super_choose(slot[0], slot[1], &super, &why) < 0 ||
	    !dmr_layout_init(&l, super.sectors, super.chunk_sectors,
			     super.region_sectors))
		die("no superblock");
	for (chunk = 0; chunk < l.nr_chunks; chunk += DMR_BLOCK_BITS) {
		n = l.nr_chunks - chunk < DMR_BLOCK_BITS ?
		    l.nr_chunks - chunk : DMR_BLOCK_BITS;
		nr = dmr_layout_chunk_block(&l, chunk);
		set += fill(block, n);
		dmr_block_seal(block, super.volume_id, nr, DMR_ALL_SECTORS);
		if (pwrite(fd, block, sizeof(block), nr * DMR_BLOCK_SIZE) !=
		    sizeof(block))
			die("write");
	}
	if (fsync(fd))
		die("sync");
	printf("%" PRIu64 "\n", set);
	return 0;
}

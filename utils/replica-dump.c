// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * replica-dump [--extents] DEVICE: what the metadata device of a replica volume
 * says, without the kernel; replica-dump DIRECTORY: what a secondary's stage
 * holds, or the device of its logs, or a segment of one (dump-stage.c). For
 * looking at a volume that does not come up, and for tests.
 *
 * It prints a field in each line, words that scripts can split; with --extents
 * also the runs of chunks that are dirty ("extent FIRST COUNT"), as the kernel
 * would recover them: bits that are set, all chunks of hot regions, and all of
 * what is damaged. Status 1: there is no valid superblock.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <linux/dm-replica.h>

#include "dump-stage.h"
#include "format.h"

struct dump {
	const char *path;
	int fd;
	struct dmr_super super;
	struct dmr_layout layout;
	uint64_t bad_slots, bad_sectors, nr_hot, nr_dirty;
	uint64_t run_start, run_len;	/* dirty chunks, not printed yet */
	bool extents;
};

static int fail(const struct dump *d, const char *what)
{
	fprintf(stderr, "replica-dump: %s: %s\n", d->path, what);
	return 1;
}

static int read_block(const struct dump *d, uint64_t nr, void *block)
{
	ssize_t n = pread(d->fd, block, DMR_BLOCK_SIZE, nr * DMR_BLOCK_SIZE);

	if (n == DMR_BLOCK_SIZE)
		return 0;
	return fail(d, n < 0 ? strerror(errno) : "it is too short");
}

static int read_super(struct dump *d)
{
	static uint8_t slot[DMR_NR_SUPERS][DMR_BLOCK_SIZE];
	const char *why;

	if (read_block(d, 0, slot[0]) || read_block(d, 1, slot[1]))
		return 1;
	if (dmr_super_choose(slot[0], slot[1], &d->super, &why) < 0)
		return fail(d, why);
	d->bad_slots = why != NULL;
	dmr_layout_init(&d->layout, d->super.sectors, d->super.chunk_sectors,
			d->super.region_sectors);
	return 0;
}

static void print_number(const char *name, uint64_t n)
{
	printf("%-16s %" PRIu64 "\n", name, n);
}

static void print_id(const char *name, uint64_t id)
{
	printf("%-16s %016" PRIx64 "\n", name, id);
}

static void print_flags(uint32_t flags)
{
	printf("%-16s%s%s%s%s\n", "flags", flags ? "" : " -",
	       flags & DMR_SUPER_F_CLEAN ? " clean" : "",
	       flags & DMR_SUPER_F_TAKEN_OUT ? " taken-out" : "",
	       flags & DMR_SUPER_F_SUSPECT ? " suspect" : "");
}

static void print_lists(const struct dmr_super *s)
{
	uint32_t i;

	for (i = 0; i < s->nr_incarnations; i++)
		print_id("incarnation", s->incarnations[i]);
	for (i = 0; i < s->nr_ancestors; i++)
		printf("%-16s %016" PRIx64 " ended %" PRIu64 "\n", "ancestor",
		       s->ancestors[i].generation, s->ancestors[i].end_epoch);
	print_number("witnesses", s->nr_witnesses);
}

static void print_super(const struct dmr_super *s)
{
	int i;

	printf("%-16s ", "volume_id");
	for (i = 0; i < 16; i++)
		printf("%02x", s->volume_id[i]);
	putchar('\n');
	print_number("sequence", s->sequence);
	print_number("sectors", s->sectors);
	print_number("chunk_sectors", s->chunk_sectors);
	print_number("region_sectors", s->region_sectors);
	printf("%-16s %s\n", "role", s->role == DMR_ROLE_PRIMARY ?
	       "primary" : "secondary");
	print_flags(s->flags);
	print_id("generation", s->generation);
	print_number("last_committed", s->last_committed);
	print_number("highest_seen", s->highest_seen);
	print_number("suspect_epoch", s->suspect_epoch);
	print_number("loads", s->loads);
	print_number("last_write", s->last_write);
	print_number("last_contact", s->last_contact);
	print_lists(s);
}

/* --- bits ----------------------------------------------------------------- */

/* Damaged sectors become ones. */
static int read_bits(struct dump *d, uint64_t nr, void *block)
{
	if (read_block(d, nr, block))
		return 1;
	d->bad_sectors += dmr_block_check(block, d->super.volume_id, nr,
					  DMR_ALL_SECTORS);
	return 0;
}

static uint8_t *read_hot(struct dump *d)
{
	uint64_t i, nr = dmr_layout_nr_hot_blocks(&d->layout);
	uint8_t *hot = calloc(nr, DMR_BLOCK_SIZE);

	for (i = 0; hot && i < nr; i++) {
		if (read_bits(d, dmr_layout_hot_block(&d->layout,
						      i * DMR_BLOCK_BITS),
			      hot + i * DMR_BLOCK_SIZE)) {
			free(hot);
			return NULL;
		}
	}
	return hot;
}

static bool is_hot(const uint8_t *hot, uint64_t region)
{
	return dmr_block_test(hot + region / DMR_BLOCK_BITS * DMR_BLOCK_SIZE,
			      region % DMR_BLOCK_BITS);
}

static void end_run(struct dump *d)
{
	if (d->run_len && d->extents)
		printf("extent %" PRIu64 " %" PRIu64 "\n", d->run_start,
		       d->run_len);
	d->nr_dirty += d->run_len;
	d->run_len = 0;
}

static void add_chunk(struct dump *d, uint64_t chunk)
{
	if (d->run_len && d->run_start + d->run_len != chunk)
		end_run(d);
	if (!d->run_len++)
		d->run_start = chunk;
}

static int read_dirty(struct dump *d, const uint8_t *hot)
{
	static uint8_t block[DMR_BLOCK_SIZE];
	uint64_t c;

	for (c = 0; c < d->layout.nr_chunks; c++) {
		if (c % DMR_BLOCK_BITS == 0 &&
		    read_bits(d, dmr_layout_chunk_block(&d->layout, c), block))
			return 1;
		if (dmr_block_test(block, c % DMR_BLOCK_BITS) ||
		    is_hot(hot, c / d->layout.region_chunks))
			add_chunk(d, c);
	}
	end_run(d);
	return 0;
}

static int print_bits(struct dump *d)
{
	uint8_t *hot = read_hot(d);
	uint64_t r;
	int status;

	if (!hot)
		return 1;
	for (r = 0; r < d->layout.nr_regions; r++)
		d->nr_hot += is_hot(hot, r);
	status = read_dirty(d, hot);
	free(hot);
	print_number("regions", d->layout.nr_regions);
	print_number("hot", d->nr_hot);
	print_number("chunks", d->layout.nr_chunks);
	print_number("dirty", d->nr_dirty);
	print_number("bad_sectors", d->bad_sectors);
	return status;
}

static bool is_folder(const char *path)
{
	struct stat st;

	return !stat(path, &st) && S_ISDIR(st.st_mode);
}

static int dump_metadata(struct dump *d)
{
	int status;

	d->fd = open(d->path, O_RDONLY | O_CLOEXEC);
	if (d->fd < 0)
		return fail(d, strerror(errno));
	status = read_super(d);
	if (!status) {
		print_super(&d->super);
		print_number("bad_slots", d->bad_slots);
		status = print_bits(d);
	}
	close(d->fd);
	return status;
}

int main(int argc, char **argv)
{
	struct dump d = { .path = argv[argc - 1] };
	int ret;

	d.extents = argc == 3 && !strcmp(argv[1], "--extents");
	if (argc != 2 + d.extents || d.path[0] == '-') {
		fputs("usage: replica-dump [--extents] METADATA-DEVICE\n"
		      "       replica-dump STAGE-DIRECTORY\n"
		      "       replica-dump LOG-DEVICE\n"
		      "       replica-dump NUMBER.seg.lost\n", stderr);
		return 2;
	}
	if (!d.extents && is_folder(d.path))
		return dump_stage(d.path);
	ret = d.extents ? -1 : dump_stage_device(d.path);
	if (ret < 0 && !d.extents)
		ret = dump_stage_segment(d.path);
	if (ret >= 0)
		return ret;
	return dump_metadata(&d);
}

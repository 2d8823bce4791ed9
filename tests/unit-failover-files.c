// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The files of a promotion. If this fails, the kernel would not know what is
 * dirty, metadata of another volume would be overwritten, or what was dropped
 * could not be read again.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "metadata-file.h"
#include "promotion-record.h"
#include "salvage-file.h"
#include "state-file.h"
#include "tap.h"

#include "../kmod/format.c"

#define MIB	(1ULL << 20)

static char dir[32] = "/tmp/unit-failover-XXXXXX";
static char path[64];

static int fail_pwrite;			/* an errno */

ssize_t __real_pwrite(int fd, const void *buf, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t at);

ssize_t __wrap_pwrite(int fd, const void *buf, size_t len, off_t at)
{
	if (!fail_pwrite)
		return __real_pwrite(fd, buf, len, at);
	errno = fail_pwrite;
	return -1;
}

static char synced[16][64];
static unsigned int nr_synced;

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	char link[32];
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, synced[nr_synced % 16], 63);
	if (len > 0)
		synced[nr_synced++ % 16][len] = 0;
	return __real_fsync(fd);
}

static bool was_synced(const char *what)
{
	for (unsigned int i = 0; i < nr_synced && i < 16; i++)
		if (!strcmp(synced[i], what))
			return true;
	return false;
}

static void bail(const char *why)
{
	printf("Bail out! %s\n", why);
	exit(1);
}

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static struct replica_header header(uint64_t bytes, uint32_t chunk)
{
	struct replica_header h = {
		.volume_id = "0123456789abcde",
		.generation = 0xb0b,
		.nr_ancestors = 1,
		.ancestors = { { 0xa11ce, 7 } },
		.last_clean = 7,
		.highest_seen = 12,
		.volume_bytes = bytes,
		.chunk_bytes = chunk,
	};

	return h;
}

/* --- metadata ------------------------------------------------------------- */

static char *read_file(const char *name, size_t *len)
{
	int fd = open(name, O_RDONLY);
	struct stat st;
	char *data;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	*len = st.st_size;
	data = malloc(*len);
	if (read(fd, data, *len) != (ssize_t)*len)
		*len = 0;
	close(fd);
	return data;
}

/* Are exactly these chunks dirty, no region hot, and all blocks good? */
static bool bits_are(char *data, const struct dmr_layout *l,
		     const struct dmr_super *s, uint64_t first, uint64_t count)
{
	bool is_good = true;

	for (uint64_t nr = 2; nr < l->nr_blocks; nr++)
		is_good &= !dmr_block_check(data + nr * DMR_BLOCK_SIZE,
					    s->volume_id, nr, DMR_ALL_SECTORS);
	for (uint64_t r = 0; r < l->nr_regions; r++)
		is_good &= !dmr_block_test(data + dmr_layout_hot_block(l, r) *
					   DMR_BLOCK_SIZE, r % DMR_BLOCK_BITS);
	for (uint64_t c = 0; c < l->nr_chunks; c++)
		is_good &= dmr_block_test(data + dmr_layout_chunk_block(l, c) *
					  DMR_BLOCK_SIZE, c % DMR_BLOCK_BITS) ==
			   (c >= first && c < first + count);
	return is_good;
}

static void test_metadata(uint64_t bytes, uint32_t chunk_bytes, uint64_t off,
			  uint64_t len, uint64_t first, uint64_t count)
{
	struct replica_header h = header(bytes, chunk_bytes);
	struct metadata_file *f = NULL;
	struct error err = { 0 };
	struct dmr_layout l;
	struct dmr_super s;
	const char *why;
	size_t size = 0;
	char *data;

	is_int(metadata_file_begin(&f, in_dir("meta"), &h, &err), 0, "begun");
	metadata_file_mark(f, off, len);
	ok(access(in_dir("meta"), F_OK), "it has no name yet");
	is_int(metadata_file_end(f, &err), 0, "whole");
	data = read_file(in_dir("meta"), &size);
	is_int(dmr_super_choose(data, data + DMR_BLOCK_SIZE, &s, &why), 0,
	       "the first slot counts");
	ok(s.sectors == bytes / 512 && s.generation == 0xb0b &&
	   s.role == DMR_ROLE_PRIMARY && s.last_committed == 7 &&
	   s.highest_seen == 12 && s.nr_ancestors == 1 &&
	   s.ancestors[0].generation == 0xa11ce &&
	   s.ancestors[0].end_epoch == 7, "it says who it is");
	dmr_layout_init(&l, s.sectors, s.chunk_sectors, s.region_sectors);
	ok(size == l.nr_blocks * DMR_BLOCK_SIZE, "its size");
	ok(bits_are(data, &l, &s, first, count), "these chunks are dirty");
	free(data);
	unlink(in_dir("meta"));
}

static void spoil(const char *name, size_t len)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	if (pwrite(fd, "something", len, 0) < 0)
		bail("cannot write");
	close(fd);
}

static void test_foreign_metadata(void)
{
	struct replica_header h = header(8 * MIB, 4096), other = h;
	struct metadata_file *f;
	struct error err = { 0 };

	metadata_file_begin(&f, in_dir("meta"), &h, &err);
	metadata_file_end(f, &err);
	is_int(metadata_file_check(in_dir("meta"), &h, &err), 0, "its own");
	other.volume_id[3] ^= 1;
	is_int(metadata_file_check(in_dir("meta"), &other, &err), -EEXIST,
	       "that of another volume");
	ok(strstr(err.text, "/meta: "), "which is named: %s", err.text);
	spoil(in_dir("junk"), 9);
	is_int(metadata_file_begin(&f, in_dir("junk"), &h, NULL), -EEXIST,
	       "what is none");
	is_int(metadata_file_check("/dev/null", &h, NULL), -EINVAL,
	       "what is no place for it");
	is_int(metadata_file_check(in_dir("new"), &h, NULL), 0, "a new one");
}

static void put(const char *name, const void *data, size_t len, off_t at)
{
	int fd = open(name, O_WRONLY | O_CREAT, 0600);

	if (pwrite(fd, data, len, at) != (ssize_t)len)
		bail("cannot write");
	close(fd);
}

/* I2: what is known by something that is not in the first block. */
static void test_late_magics(void)
{
	static const off_t places[] = { 4096, 8192 + 4095, 65536 + 64 };
	struct replica_header h = header(8 * MIB, 4096), other = h;
	struct metadata_file *f = NULL;
	char zeros[4096] = "", name[64];
	size_t len = 0;
	char *data;

	strcpy(name, in_dir("late"));
	for (unsigned int i = 0; i < 3; i++) {
		put(name, zeros, sizeof(zeros), 256 * 1024);
		put(name, "magic", 5, places[i]);
		is_int(metadata_file_check(name, &h, NULL), -EEXIST,
		       "something at %d", (int)places[i]);
		unlink(name);
	}
	other.volume_id[3] ^= 1;
	metadata_file_begin(&f, name, &other, NULL);
	metadata_file_end(f, NULL);
	put(name, zeros, sizeof(zeros), 0);
	is_int(metadata_file_check(name, &h, NULL), -EEXIST,
	       "another volume's second slot");
	put(name, zeros, sizeof(zeros), 4096);
	is_int(metadata_file_check(name, &h, NULL), -EEXIST, "its bits");
	is_int(metadata_file_check(name, &other, NULL), 0,
	       "which are, for itself, a try that has not ended");
	data = read_file(name, &len);
	put(name, zeros, 512, 2 * 4096);
	is_int(metadata_file_check(name, &other, NULL), 0, "torn, too");
	free(data);
	unlink(name);
}

/* I3 */
static void test_lost_room(void)
{
	struct replica_header h = header(8 * MIB, 4096);
	struct metadata_file *f = NULL;
	struct error err = { 0 };

	is_int(metadata_file_begin(&f, in_dir("meta"), &h, &err), 0, "begun");
	if (truncate(in_dir("meta.new"), 0))
		bail("cannot cut");
	metadata_file_mark(f, 0, MIB);
	is_int(metadata_file_end(f, &err), 0, "what it goes to may change");
	metadata_file_begin(&f, in_dir("meta"), &h, &err);
	fail_pwrite = ENOSPC;
	is_int(metadata_file_end(f, &err), -ENOSPC, "no room: %s", err.text);
	fail_pwrite = 0;
	ok(access(in_dir("meta.new"), F_OK), "nothing is left of that");
	is_int(metadata_file_check(in_dir("meta"), &h, NULL), 0,
	       "and the old one is whole");
	unlink(in_dir("meta"));
}

/* --- salvage -------------------------------------------------------------- */

static void fill(char *buf, size_t len, int seed)
{
	for (size_t i = 0; i < len; i++)
		buf[i] = i * 7 + seed;
}

static void make_salvage(const char *name)
{
	const struct salvage_info info = {
		.volume = "vol", .volume_bytes = MIB, .generation = 0xa11ce,
		.epoch = 3, .last_clean = 9, .last_partial = 10, .time = 77,
		.cut_time = 66,
	};
	struct salvage_writer *w = NULL;
	struct error err = { 0 };
	char buf[8192];

	is_int(salvage_begin(&w, name, &info, &err), 0, "begun");
	fill(buf, 4096, 1);
	salvage_add(w, 4096, buf, 4096, &err);
	fill(buf, 8192, 2);
	salvage_add(w, 8192, buf, 8192, &err);
	fill(buf, 512, 3);
	salvage_add(w, MIB - 512, buf, 512, &err);
	ok(access(name, F_OK), "it has no name yet");
	is_int(salvage_end(w, &err), 0, "whole");
}

static bool file_is(const char *name, size_t off, size_t len, int seed)
{
	char *data, want[8192];
	size_t size = 0;
	bool is_same;

	data = read_file(name, &size);
	fill(want, len, seed);
	is_same = size == MIB && !memcmp(data + off, want, len);
	free(data);
	return is_same;
}

static bool reads(struct salvage *s, size_t off, size_t len, const char *want)
{
	static char buf[MIB];

	memset(buf, 0x55, sizeof(buf));
	return !salvage_read(s, buf, len, off) && !memcmp(buf, want + off, len);
}

/* As it is exported, from and to anywhere. */
static void test_read(struct salvage *s, const char *out)
{
	static const size_t edges[] = {
		0, 1, 4095, 4096, 4097, 8192, 16383, 16384, 16385, 65536,
		MIB - 513, MIB - 512, MIB - 511, MIB - 1, MIB,
	};
	unsigned int nr = sizeof(edges) / sizeof(*edges), nr_wrong = 0;
	size_t size = 0;
	char *want = read_file(out, &size);

	for (unsigned int i = 0; i < nr; i++)
		for (unsigned int j = i + 1; j < nr; j++)
			nr_wrong += !reads(s, edges[i], edges[j] - edges[i],
					   want);
	is_int(nr_wrong, 0, "read from any byte to any other, it is the same");
	free(want);
}

static void test_salvage(void)
{
	char name[64], out[64];
	struct error err = { 0 };
	struct salvage s;

	strcpy(name, in_dir("a.salvage"));
	strcpy(out, in_dir("out"));
	make_salvage(name);
	is_int(salvage_open(&s, name, &err), 0, "opened");
	ok(!strcmp(s.info.volume, "vol") && s.info.nr_extents == 2 &&
	   s.info.data_bytes == 4096 + 8192 + 512 && s.info.epoch == 3 &&
	   s.info.last_partial == 10 && s.info.generation == 0xa11ce &&
	   s.info.time == 77 && s.info.cut_time == 66, "it says what it is");
	ok(s.extents[0].off == 4096 && s.extents[0].len == 12288 &&
	   s.extents[1].off == MIB - 512 && s.extents[1].len == 512,
	   "its extents, joined");
	is_int(salvage_export(&s, out, &err), 0, "exported");
	ok(file_is(out, 4096, 4096, 1) && file_is(out, 8192, 8192, 2) &&
	   file_is(out, MIB - 512, 512, 3), "each at its place");
	test_read(&s, out);
	is_int(salvage_export(&s, out, NULL), -EEXIST, "not over a file");
	salvage_close(&s);
}

static void damage(const char *name, off_t at)
{
	int fd = open(name, O_RDWR);
	char c;

	if (pread(fd, &c, 1, at) != 1)
		bail("cannot read");
	c ^= 1;
	if (pwrite(fd, &c, 1, at) != 1)
		bail("cannot write");
	close(fd);
}

static void test_damaged_salvage(void)
{
	static const off_t places[] = { 3, 20, 4095, 4096 + 12800 + 3 };
	char name[64], out[64], byte[1];
	struct error err = { 0 };
	struct salvage s;

	strcpy(name, in_dir("a.salvage"));
	for (unsigned int i = 0; i < 4; i++) {
		damage(name, places[i]);
		is_int(salvage_open(&s, name, NULL), -EBADMSG, "damage at %d",
		       (int)places[i]);
		damage(name, places[i]);
	}
	damage(name, 4096 + 100);
	is_int(salvage_open(&s, name, &err), 0, "data is looked at later");
	strcpy(out, in_dir("out2"));
	is_int(salvage_export(&s, out, NULL), -EBADMSG, "by the export");
	is_int(salvage_read(&s, byte, 1, 16383), -EBADMSG, "and by a read of "
	       "any of its extent");
	is_int(salvage_read(&s, byte, 1, 16383), -EBADMSG, "each time");
	is_int(salvage_read(&s, byte, 1, 16384), 0, "not beside it");
	is_int(salvage_read(&s, byte, 1, MIB - 1), 0, "nor of another");
	salvage_close(&s);
	if (truncate(name, 5000))
		bail("cannot cut");
	is_int(salvage_open(&s, name, NULL), -EBADMSG, "cut off");
}

/* The first of its kind has a folder that is as new as it is. */
static void test_new_folders(void)
{
	struct promotion_record r = { .volume = "vol" };
	struct salvage_info info;
	char name[64];

	nr_synced = 0;
	is_int(promotion_save(dir, &r), 0, "a journal");
	ok(was_synced(dir), "the name of its folder is durable");
	strcpy(name, in_dir("salvage"));
	if (mkdir(name, 0700))
		bail("no folder");
	nr_synced = 0;
	strcpy(name, in_dir("salvage/a.salvage"));
	make_salvage(name);
	ok(was_synced(in_dir("salvage")) && was_synced(dir),
	   "that of a salvage, too");
	is_int(salvage_look(&info, name, NULL), 0, "it can be looked at");
	ok(info.nr_extents == 2 && info.epoch == 3, "without its table");
	damage(name, 3);
	is_int(salvage_look(&info, name, NULL), -EBADMSG, "damaged");
}

static void clean_up(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", dir);
	if (system(command))
		bail("cannot clean up");
}

/* Who lists a folder looks at whatever has such a name. */
static void test_pipe(void)
{
	struct error err = { 0 };
	struct salvage_info info;
	struct salvage s;
	char *text = NULL;
	size_t len;

	if (mkfifo(in_dir("pipe.salvage"), 0600))
		bail("no pipe");
	alarm(60);			/* else it is waited for, for ever */
	is_int(salvage_look(&info, in_dir("pipe.salvage"), &err), -EBADMSG,
	       "a pipe is no salvage: %s", err.text);
	is_int(salvage_open(&s, in_dir("pipe.salvage"), &err), -EBADMSG,
	       "whoever asks");
	is_int(state_file_read(in_dir("pipe.salvage"), &text, &len), -EBADMSG,
	       "nor a state");
	alarm(0);
	unlink(in_dir("pipe.salvage"));
}

int main(int argc, char **argv)
{
	if (!mkdtemp(dir))
		bail("no folder");
	test_metadata(8 * MIB, 4096, 4096, 8192, 1, 2);
	test_metadata(8 * MIB, 4096, 5000, 100, 1, 1);
	test_metadata(8 * MIB + 512, 4096, 8 * MIB, 512, 2048, 1);
	test_metadata(600 * MIB, 4096, 100 * MIB, 400 * MIB, 25600, 102400);
	test_metadata(64 * MIB, 1 << 20, MIB, MIB, 1, 1);
	test_metadata(MIB, 512, 512, 512, 0, 1);
	test_foreign_metadata();
	test_late_magics();
	test_lost_room();
	test_salvage();
	test_damaged_salvage();
	test_pipe();
	test_new_folders();
	clean_up();
	return tap_done();
}

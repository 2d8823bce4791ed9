// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * powercut-stage-check [--subsets N] [--every N] [--marks MARKS] LOG
 * FS-SECTORS BASE-SECTORS BASE SEED: cuts the power of a secondary at every
 * moment of a log of dm-log-writes, lets it recover, and looks at what it has.
 *
 * The logged disk has an ext4 file system with the stage in /stage, then the
 * base. At each moment the file system's journal is replayed (e2fsck), the
 * stage is copied out of it (debugfs), the base is put to BASE, where the
 * volume has it, and both are opened as a stage. Then:
 *
 * C1 its newest clean epoch, and its newest partial one, are those of the last
 *    commit that was answered, or of the one that was under way;
 * C2 the newest image and each of the history are exactly those of the plan;
 * C3 as long as nothing was applied, all that was answered is in the history.
 *
 * Status 0: all held, and there were at least 100 moments.
 *
 * With --marks MARKS, a file of a mark a line, LOG is not a log but such a
 * disk, as a machine that was killed has left it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log-writes.h"
#include "powercut-stage.h"

#define LEAST		100	/* moments */
#define MOST_BAD	3	/* then it ends */

static struct {
	unsigned int seed;
	unsigned int every;		/* moment; 1 = all */
	size_t fs_bytes, base_bytes;
	const char *base;
	char dir[64];			/* of the image and what is in it */
	struct model model;
	uint64_t acked_clean, acked_partial, sent_clean, sent_partial;
	bool is_turned;			/* epochs may be applied */
	uint64_t moments, subsets, looked, epochs, under_way, bad;
} pc;

/* --- the plan ------------------------------------------------------------- */

static void make_model(void)
{
	struct model *m = &pc.model;

	for (uint64_t e = 1; e <= PLAN_EPOCHS; e++) {
		if (plan_fate(e) == PLAN_ABORT)
			continue;
		for (unsigned int n = 0; n < PLAN_WRITES; n++) {
			struct plan_write w = plan_write(pc.seed, e, n);
			uint64_t off = w.chunk * RIG_CHUNK;

			if (w.is_zero)
				memset(m->now + off, 0, w.nr * RIG_CHUNK);
			else
				fill(m->now + off, w.nr * RIG_CHUNK, off,
				     w.fill);
		}
		m->is_there[e] = plan_fate(e) == PLAN_CLEAN;
		memcpy(m->image[e], m->now, sizeof(m->now));
	}
}

static unsigned int nr_clean(uint64_t last)
{
	unsigned int nr = 0;

	for (uint64_t e = 1; e <= last; e++)
		nr += pc.model.is_there[e];
	return nr;
}

static bool note_mark(void *arg, const char *text)
{
	static bool is_running;
	uint64_t e;

	if (sscanf(text, "sent-%" SCNu64, &e) == 1) {
		*(plan_fate(e) == PLAN_CLEAN ? &pc.sent_clean :
					       &pc.sent_partial) = e;
	} else if (sscanf(text, "acked-%" SCNu64, &e) == 1) {
		pc.acked_clean = pc.sent_clean;
		pc.acked_partial = pc.sent_partial;
	} else if (!strncmp(text, "turn", 4)) {
		pc.is_turned = true;
	} else if (!strncmp(text, "begin", 5)) {
		is_running = true;
	}
	return is_running;
}

/* --- recovery ------------------------------------------------------------- */

static void write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len) {
		fprintf(stderr, "powercut-stage-check: %s: %s\n", path,
			strerror(errno));
		exit(2);
	}
	close(fd);
}

/* The status of a shell's command in our folder. */
static int shell(const char *command)
{
	char text[300];
	int status;

	snprintf(text, sizeof(text), "cd %s && { %s; } >said 2>&1", pc.dir,
		 command);
	status = system(text);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

/* e2fsck says 1 where it has replayed something. */
static bool extract(const uint8_t *disk)
{
	char path[100];

	snprintf(path, sizeof(path), "%s/fs", pc.dir);
	write_file(path, disk, pc.fs_bytes);
	write_file(pc.base, disk + pc.fs_bytes, pc.base_bytes);
	if (shell("e2fsck -y -E journal_only fs") > 1 ||
	    shell("rm -rf stage && debugfs -R 'rdump /stage .' fs") ||
	    shell("test -d stage")) {
		printf("# the file system is damaged: ");
		fflush(stdout);
		shell("cat said >&2");
		return false;
	}
	return true;
}

/* --- looking -------------------------------------------------------------- */

static int count_clean(void *arg, const struct stage_epoch *e)
{
	*(unsigned int *)arg += e->is_clean;
	return 0;
}

static bool is_either(const char *what, uint64_t is, uint64_t acked,
		      uint64_t sent)
{
	if (is == acked || is == sent)
		return true;
	printf("# %s epoch %" PRIu64 ", acknowledged %" PRIu64 ", sent %"
	       PRIu64 "\n", what, is, acked, sent);
	return false;
}

static bool is_right(struct stage_volume *v)
{
	struct stage_info info;
	unsigned int nr = 0;

	stage_get_info(v, &info);
	if (info.state == STAGE_ERROR) {
		printf("# %s\n", info.error.text);
		return false;
	}
	if (!is_either("clean", info.header.last_clean, pc.acked_clean,
		       pc.sent_clean) ||
	    !is_either("partial", info.header.last_partial, pc.acked_partial,
		       pc.sent_partial))
		return false;
	stage_history(v, count_clean, &nr);
	pc.epochs += nr;
	pc.under_way += info.header.last_clean > pc.acked_clean;
	if (!pc.is_turned && nr != nr_clean(info.header.last_clean)) {
		printf("# %u epochs in the history, not %u\n", nr,
		       nr_clean(info.header.last_clean));
		return false;
	}
	return shows_all(v, &pc.model);
}

static bool is_recovered(void)
{
	const struct stage_options o = {
		.history_ms = 3600000,
		.log_bytes = PLAN_LOG,
		.segment_bytes = PLAN_SEGMENT,
	};
	struct error err = { 0 };
	struct stage *s;
	char path[100];
	bool ret;

	snprintf(path, sizeof(path), "%s/stage", pc.dir);
	if (stage_open(&s, path, &o, &err)) {
		printf("# %s\n", err.text);
		return false;
	}
	ret = stage_find(s, "a") && is_right(stage_find(s, "a"));
	stage_close(s);
	return ret;
}

static bool look(void *arg, const uint8_t *disk, bool is_subset)
{
	pc.moments += !is_subset;
	pc.subsets += is_subset;
	if ((pc.moments + pc.subsets) % pc.every)
		return true;
	pc.looked++;
	if (!extract(disk) || !is_recovered()) {
		printf("# moment %" PRIu64 "%s, after the commit of %" PRIu64
		       "\n", pc.moments, is_subset ? ", a part of what was not "
		       "flushed" : "", pc.acked_clean > pc.acked_partial ?
		       pc.acked_clean : pc.acked_partial);
		pc.bad++;
	}
	return pc.bad < MOST_BAD;
}

/* --- the whole ------------------------------------------------------------ */

/* A line that the machine did not finish is none. */
static int read_marks(const char *path)
{
	FILE *file = fopen(path, "r");
	char line[100];

	if (!file)
		return -errno;
	while (fgets(line, sizeof(line), file))
		if (strchr(line, '\n'))
			note_mark(NULL, line);
	fclose(file);
	return 0;
}

static int look_at_disk(const struct log_writes *lw, const char *marks)
{
	int fd = open(lw->path, O_RDONLY), err = read_marks(marks);
	uint8_t *disk = malloc(lw->bytes);

	if (fd < 0 || !disk || read(fd, disk, lw->bytes) != (ssize_t)lw->bytes)
		err = -EIO;
	if (!err)
		look(NULL, disk, false);
	free(disk);
	close(fd);
	return err;
}

static int report(int err, bool is_one)
{
	if (err && err != -ECANCELED)
		printf("# the log: %s\n", strerror(-err));
	printf("%" PRIu64 " moments, %" PRIu64 " subsets, %" PRIu64
	       " looked at: %" PRIu64 " images, %" PRIu64
	       " times of a commit under way; %" PRIu64 " bad\n", pc.moments,
	       pc.subsets, pc.looked, pc.epochs, pc.under_way, pc.bad);
	if (err && err != -ECANCELED)
		return 2;
	return pc.bad || (!is_one && (pc.moments < LEAST ||
				      pc.acked_clean < PLAN_EPOCHS - 4));
}

static const struct option long_options[] = {
	{ "subsets", 1, NULL, 's' }, { "every", 1, NULL, 'e' },
	{ "marks", 1, NULL, 'm' }, { NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct log_writes lw = {
		.subsets = 2, .mark = note_mark, .look = look,
	};
	const char *tmp = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm";
	const char *marks = NULL;
	int c, err;

	pc.every = 1;
	while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
		if (c == 'm')
			marks = optarg;
		else
			*(c == 's' ? &lw.subsets : &pc.every) = atoi(optarg);
	}
	if (argc - optind != 5) {
		fprintf(stderr, "usage: powercut-stage-check [--subsets N] "
			"[--every N] [--marks MARKS] LOG FS-SECTORS "
			"BASE-SECTORS BASE SEED\n");
		return 2;
	}
	argv += optind;
	lw.path = argv[0];
	pc.fs_bytes = strtoull(argv[1], NULL, 0) * 512;
	pc.base_bytes = strtoull(argv[2], NULL, 0) * 512;
	pc.base = argv[3];
	pc.seed = lw.seed = atoi(argv[4]);
	lw.bytes = pc.fs_bytes + pc.base_bytes;
	snprintf(pc.dir, sizeof(pc.dir), "%s/powercut-stage.XXXXXX", tmp);
	if (!mkdtemp(pc.dir))
		return 2;
	make_model();
	err = marks ? look_at_disk(&lw, marks) : log_writes_replay(&lw);
	shell("rm -rf stage fs");
	shell("rm -f said");
	rmdir(pc.dir);
	return report(err, marks);
}

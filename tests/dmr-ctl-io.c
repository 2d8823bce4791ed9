// SPDX-License-Identifier: GPL-2.0-or-later
#include "dmr-ctl-io.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_BYTES	(16 << 20)
#define MAX_CHILDREN	16
#define FINISH_MS	30000

static pid_t children[MAX_CHILDREN];	/* oldest first */
static int nr_children;

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* "PATH SECTOR COUNT [VALUE]" */
struct span {
	const char *path;
	off_t offset;
	size_t bytes;
	int value;
};

static int parse_span(char **word, struct span *span, bool value)
{
	if (!word[0] || !word[1] || !word[2] || (value && !word[3]))
		return -EINVAL;
	span->path = word[0];
	span->offset = strtoull(word[1], NULL, 0) * 512;
	span->bytes = strtoull(word[2], NULL, 0) * 512;
	span->value = value ? strtoul(word[3], NULL, 0) : 0;
	return value && span->bytes > MAX_BYTES ? -E2BIG : 0;
}

static int open_disk(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int write_with(char **word, int rwf)
{
	struct iovec iov;
	struct span span;
	ssize_t len = 0;
	int fd, err;

	err = parse_span(word, &span, true);
	if (err)
		return err;
	fd = open_disk(span.path, O_WRONLY | O_DIRECT);
	if (fd < 0)
		return fd;
	iov.iov_len = span.bytes;
	iov.iov_base = aligned_alloc(4096, (span.bytes + 4095) & ~4095UL);
	if (iov.iov_base) {
		memset(iov.iov_base, span.value, span.bytes);
		len = pwritev2(fd, &iov, 1, span.offset, rwf);
	}
	err = len < 0 ? -errno : (size_t)len != span.bytes ? -EIO : 0;
	free(iov.iov_base);
	close(fd);
	return err;
}

int ctl_write(char **word)
{
	return write_with(word, 0);
}

int ctl_write_nowait(char **word)
{
	return write_with(word, RWF_NOWAIT);
}

int ctl_write_durable(char **word)
{
	return write_with(word, RWF_DSYNC);
}

static int compare(const unsigned char *data, const struct span *span)
{
	size_t i;

	for (i = 0; i < span->bytes; i++) {
		if (data[i] == span->value)
			continue;
		printf("# byte %zu of %s sector %llu is %u, not %d\n", i,
		       span->path, (unsigned long long)span->offset / 512,
		       data[i], span->value);
		return -EILSEQ;
	}
	return 0;
}

int ctl_read(char **word)
{
	struct span span;
	ssize_t len = 0;
	void *data;
	int fd, err;

	err = parse_span(word, &span, true);
	if (err)
		return err;
	fd = open_disk(span.path, O_RDONLY | O_DIRECT);
	if (fd < 0)
		return fd;
	data = aligned_alloc(4096, (span.bytes + 4095) & ~4095UL);
	if (data)
		len = pread(fd, data, span.bytes, span.offset);
	if (len < 0)
		err = -errno;
	else
		err = (size_t)len != span.bytes ? -EIO : compare(data, &span);
	free(data);
	close(fd);
	return err;
}

static int range_ioctl(char **word, unsigned long request)
{
	struct span span;
	uint64_t range[2];
	int fd, err;

	err = parse_span(word, &span, false);
	if (err)
		return err;
	fd = open_disk(span.path, O_WRONLY);
	if (fd < 0)
		return fd;
	range[0] = span.offset;
	range[1] = span.bytes;
	err = ioctl(fd, request, range) ? -errno : 0;
	close(fd);
	return err;
}

int ctl_discard(char **word)
{
	return range_ioctl(word, BLKDISCARD);
}

int ctl_zero(char **word)
{
	return range_ioctl(word, BLKZEROOUT);
}

int ctl_flush(char **word)
{
	int fd, err;

	if (!word[0])
		return -EINVAL;
	fd = open_disk(word[0], O_WRONLY);
	if (fd < 0)
		return fd;
	err = fsync(fd) ? -errno : 0;
	close(fd);
	return err;
}

int ctl_put(char **word)
{
	ssize_t len;
	int fd;

	if (!word[0] || !word[1])
		return -EINVAL;
	fd = open(word[0], O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	len = write(fd, word[1], strlen(word[1]));
	len = len < 0 ? -errno : 0;
	close(fd);
	return len;
}

int ctl_run(char **word)
{
	char line[1024] = "";
	size_t len = 0;
	int status;

	for (; *word && len < sizeof(line); word++)
		len += snprintf(line + len, sizeof(line) - len, "%s ", *word);
	if (len >= sizeof(line))
		return -E2BIG;
	fflush(stdout);
	status = system(line);
	return status == 0 ? 0 : -ECANCELED;
}

static bool is_busy(const char *inflight)
{
	FILE *file = fopen(inflight, "re");
	unsigned int reads = 0, writes = 0;

	if (file) {
		if (fscanf(file, "%u %u", &reads, &writes) != 2)
			reads = 0;
		fclose(file);
	}
	return reads + writes > 0;
}

int ctl_busy(char **word)
{
	int64_t end = now_ms() + FINISH_MS;
	char inflight[64];
	struct stat st;

	if (!word[0])
		return -EINVAL;
	if (stat(word[0], &st))
		return -errno;
	snprintf(inflight, sizeof(inflight), "/sys/dev/block/%u:%u/inflight",
		 major(st.st_rdev), minor(st.st_rdev));
	while (!is_busy(inflight)) {
		if (now_ms() > end)
			return -ETIMEDOUT;
		usleep(1000);
	}
	return 0;
}

/* --- background ----------------------------------------------------------- */

int ctl_start(int (*fn)(char **word), char **word)
{
	pid_t pid;

	if (nr_children == MAX_CHILDREN)
		return -EAGAIN;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0) {
		int err = fn(word);

		if (err)
			printf("# %s: %s\n", word[0], strerrorname_np(-err));
		fflush(stdout);
		_exit(err ? 1 : 0);
	}
	children[nr_children++] = pid;
	return 0;
}

/* Waits for the oldest child; *ended: its status is in *status. */
static int wait_oldest(int ms, bool *ended, int *status)
{
	const struct timespec nap = { .tv_nsec = 2000000 };
	int64_t end = now_ms() + ms;
	pid_t pid;

	if (!nr_children)
		return -EINVAL;
	do {
		pid = waitpid(children[0], status, WNOHANG);
		if (pid < 0)
			return -errno;
		*ended = pid > 0;
		if (!*ended)
			nanosleep(&nap, NULL);
	} while (!*ended && now_ms() < end);
	if (*ended)
		memmove(children, children + 1,
			--nr_children * sizeof(children[0]));
	return 0;
}

int ctl_finish(char **word)
{
	bool ended;
	int status, err;

	err = wait_oldest(word[0] ? atoi(word[0]) : FINISH_MS, &ended, &status);
	if (err)
		return err;
	if (!ended)
		return -ETIMEDOUT;
	return status ? -ECANCELED : 0;
}

int ctl_running(char **word)
{
	bool ended;
	int status, err;

	err = wait_oldest(word[0] ? atoi(word[0]) : 100, &ended, &status);
	if (err)
		return err;
	return ended ? -ECHILD : 0;
}

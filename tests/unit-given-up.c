// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Notes of volumes that were given up as one. If this fails, of volumes that
 * belong together some would be given up and others not, an old note would
 * speak of a later time, or one that cannot be read would decide.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "given-up.h"
#include "tap.h"

static char dir[32] = "/tmp/unit-given-up-XXXXXX";
static const char *const both[] = { "a", "c" };

static unsigned int fail_sync;		/* of folders: so many from now on */

int __real_fsync(int fd);
int __wrap_fsync(int fd);

int __wrap_fsync(int fd)
{
	struct stat st;

	if (!fail_sync || fstat(fd, &st) || !S_ISDIR(st.st_mode))
		return __real_fsync(fd);
	fail_sync--;
	errno = EIO;
	return -1;
}

static int is(const char *volume, enum given_up given_up)
{
	const struct identity id = { .given_up = given_up };

	return given_up_is(dir, volume, &id);
}

static bool are(int a, int c)
{
	return is("a", GIVEN_UP_BEGUN) == a && is("c", GIVEN_UP_BEGUN) == c;
}

static unsigned int nr_notes(void)
{
	char path[64];
	struct dirent *e;
	unsigned int nr = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/given-up", dir);
	d = opendir(path);
	while (d && (e = readdir(d)))
		nr += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return nr;
}

static void put(const char *name, const char *text)
{
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "%s/given-up/%s.json", dir, name);
	if (!text) {
		unlink(path);
		return;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		abort();
	close(fd);
}

static void begin_one(const char *name)
{
	struct identity id;

	if (identity_load(&id, dir, name) ||
	    identity_note_given_up(&id, dir, name, GIVEN_UP_BEGUN))
		abort();
}

static enum given_up of(const char *name)
{
	struct identity id;

	return identity_load(&id, dir, name) ? GIVEN_UP_NO : id.given_up;
}

static void test_note(void)
{
	ok(are(0, 0), "no folder is no note");
	is_int(given_up_cancel(dir, "a"), 0, "nor is there one to cancel");
	is_int(given_up_note(dir, both, 2), 0, "a note");
	ok(are(1, 1), "all that are in it have been given up");
	is_int(is("z", GIVEN_UP_BEGUN), 0, "nobody else");
	is_int(is("a", GIVEN_UP_NO), 0, "nor one that has not begun (D2)");
	is_int(is("z", GIVEN_UP_DONE), 1, "who knows it needs no note");
	is_int(given_up_drop(dir, "a"), 0, "one of them leaves");
	ok(are(0, 1), "the other one stays");
	is_int(given_up_drop(dir, "c"), 0, "and leaves");
	is_int(nr_notes(), 0, "then it is gone");
}

static void test_cancel(void)
{
	given_up_note(dir, both, 2);
	given_up_note(dir, both, 1);
	is_int(given_up_cancel(dir, "a"), 0, "taken back for one of them");
	ok(are(0, 0) && !nr_notes(), "is taken back for all");
	fail_sync = 1;
	ok(given_up_note(dir, both, 2), "one that is not durable, perhaps");
	fail_sync = 1;
	ok(given_up_cancel(dir, "c"), "is not taken back before that is");
	is_int(given_up_cancel(dir, "c"), 0, "and then it is");
	ok(are(0, 0) && !nr_notes(), "for all");
}

/* D3 */
static void test_unreadable(void)
{
	given_up_note(dir, both, 1);
	put("0000000000000000", "{ \"schema_version\": 1, "
	    "\"volumes\": [ 7 ] }");
	is_int(is("c", GIVEN_UP_BEGUN), -EBADMSG, "nobody knows of one");
	is_int(is("a", GIVEN_UP_BEGUN), 1, "of one that another note names");
	is_int(is("c", GIVEN_UP_NO), 0, "or that has not begun, it is known");
	ok(given_up_drop(dir, "c"), "c may be in it still");
	begin_one("a");
	begin_one("c");
	given_up_settle(dir);
	is_int(of("a"), GIVEN_UP_DONE, "what is sure is settled");
	is_int(of("c"), GIVEN_UP_BEGUN, "what is not is left as it is");
	is_int(nr_notes(), 1, "with the file");
	put("0000000000000000", "{ \"schema_version\": 1, "
	    "\"volumes\": [ \"c\" ] }");
	is_int(is("c", GIVEN_UP_BEGUN), 1, "until that says something");
	given_up_settle(dir);
	is_int(of("c"), GIVEN_UP_DONE, "then it is settled, too");
	is_int(nr_notes(), 0, "and gone");
}

int main(void)
{
	char command[64];

	if (!mkdtemp(dir))
		return 1;
	test_note();
	test_cancel();
	test_unreadable();
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command) || tap_done();
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * dmr-ctl DEVICE [COMMAND]...: says to the module what the commands say, one
 * for each argument, or for each line of standard input. All of them share one
 * socket, so that ownership lasts from "attach" to the end of the script.
 *
 * For each command one line is printed: the command, and "ok", what it found,
 * or the error with the kernel's words. The first one that fails ends the
 * script with status 1. "fails ERRNO COMMAND" turns that round: the command
 * must fail with that error, and a refused netlink command must have words.
 *
 * "dmr-ctl --help" lists the commands. EXTENTS are chunks: "3 7-9" .
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dmr-ctl-io.h"
#include "dmr.h"

#define MAX_WORDS	64
#define WAIT_MS		30000

static struct genl genl;
static uint64_t dev;
static uint64_t epoch;		/* of the last cut, or given with "epoch" */

static const char usage[] =
"usage: dmr-ctl DEVICE [COMMAND]...\n"
"  dev PATH | epoch N             what the following commands are about\n"
"  attach | detach | join GROUP | hold MS | mark all|EXTENTS\n"
"  cut EPOCH|next [fuzzy] | end commit|abort|keep\n"
"  frozen | dirty                 prints extents and their chunks\n"
"  release all|EXTENTS            prints how many are held, clean or fuzzy\n"
"  set role|generation|last_committed=N... | forget GENERATION EPOCH\n"
"  set ancestors=[GENERATION:EPOCH,...]  newest first\n"
"  get [FIELD]... | expect FIELD=N... (also != >= <=)\n"
"  wait FIELD=N [MS]              until GET says so; \"wait frozen\" too\n"
"  event NAME [MS] | noevent NAME MS\n"
"  write|nowait|durable|read PATH SECTOR COUNT VALUE\n"
"  discard|zero PATH SECTOR COUNT | flush PATH\n"
"  run SHELL-COMMAND | put FILE TEXT | sleep MS\n"
"  start COMMAND | running [MS] | finish [MS]   in the background\n"
"  busy PATH                      waits until I/O is under way there\n"
"  fails ERRNO COMMAND            it must fail so, with words\n";

/* Remembers that an error is the kernel's answer, which must have words. */
static bool refused;

static int answer(int err)
{
	refused = err != 0;
	return err;
}

static uint64_t number(const char *word)
{
	return word ? strtoull(word, NULL, 0) : 0;
}

static void nap_ms(int ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* --- commands ------------------------------------------------------------- */

static int do_dev(char **word)
{
	return word[0] ? dmr_dev_of_path(word[0], &dev) : -EINVAL;
}

static int do_epoch(char **word)
{
	epoch = number(word[0]);
	return 0;
}

static int do_attach(char **word)
{
	struct dmr_get get;

	return answer(dmr_attach(&genl, dev, &get));
}

static int do_join(char **word)
{
	return answer(dmr_join(&genl, dev, number(word[0])));
}

static int do_detach(char **word)
{
	return answer(dmr_detach(&genl, dev));
}

static int do_hold(char **word)
{
	return answer(dmr_hold(&genl, dev, number(word[0])));
}

static int do_cut(char **word)
{
	bool fuzzy = word[0] && word[1] && !strcmp(word[1], "fuzzy");
	uint64_t next = number(word[0]);
	int err;

	if (word[0] && !strcmp(word[0], "next")) {
		if (dmr_highest(&genl, dev, &next))
			return -ENODEV;
		next++;
	}
	err = answer(dmr_cut(&genl, dev, next, fuzzy));
	if (!err)
		epoch = next;
	return err;
}

static int do_end(char **word)
{
	int how = word[0] ? dmr_end_of_word(word[0]) : -1;

	return how < 0 ? -EINVAL : answer(dmr_end(&genl, dev, epoch, how));
}

/* "3 7-9" -> {3,1} {7,3} */
static size_t parse_extents(char **word, struct dmr_extent *extent)
{
	size_t nr = 0;
	char *end;

	for (; word[nr]; nr++) {
		extent[nr].start = strtoull(word[nr], &end, 0);
		extent[nr].count = 1;
		if (*end == '-')
			extent[nr].count = strtoull(end + 1, NULL, 0) -
					   extent[nr].start + 1;
	}
	return nr;
}

static int do_mark(char **word)
{
	struct dmr_extent extent[MAX_WORDS];
	size_t nr = 0;

	if (!word[0])
		return -EINVAL;
	if (strcmp(word[0], "all"))
		nr = parse_extents(word, extent);
	return answer(dmr_mark(&genl, dev, extent, nr));
}

static int print_extents(int cmd)
{
	struct dmr_extents extents;
	uint64_t chunks;
	size_t i;
	int err = answer(dmr_extents(&genl, cmd, dev, epoch, &extents));

	chunks = dmr_extents_chunks(&extents);
	if (!err) {
		printf("chunks=%llu:", (unsigned long long)chunks);
		for (i = 0; i < extents.nr && i < 64; i++)
			printf(extents.extent[i].count > 1 ? " %llu-%llu" :
			       " %llu",
			       (unsigned long long)extents.extent[i].start,
			       (unsigned long long)extents.extent[i].start +
			       extents.extent[i].count - 1);
		printf("%s ", i < extents.nr ? " ..." : "");
	}
	dmr_extents_free(&extents);
	return err;
}

static int do_frozen(char **word)
{
	return print_extents(DMR_CMD_GET_FROZEN);
}

static int do_dirty(char **word)
{
	return print_extents(DMR_CMD_GET_DIRTY);
}

static int release_all(struct dmr_held *held)
{
	struct dmr_extents all;
	size_t at, nr;
	int err = dmr_extents(&genl, DMR_CMD_GET_FROZEN, dev, epoch, &all);

	for (at = 0; !err && at < all.nr; at += nr) {
		nr = all.nr - at < DMR_MAX_EXTENTS ? all.nr - at :
		     DMR_MAX_EXTENTS;
		err = dmr_release(&genl, dev, epoch, all.extent + at, nr,
				  held);
	}
	dmr_extents_free(&all);
	return err;
}

static int do_release(char **word)
{
	struct dmr_extent extent[MAX_WORDS];
	struct dmr_held held = { 0 };
	int err;

	if (!word[0])
		return -EINVAL;
	if (!strcmp(word[0], "all"))
		err = release_all(&held);
	else
		err = dmr_release(&genl, dev, epoch, extent,
				  parse_extents(word, extent), &held);
	if (!err)
		printf("held=%llu %s ", (unsigned long long)held.nr_held,
		       held.fuzzy ? "fuzzy" : "clean");
	return answer(err);
}

/* "GENERATION:EPOCH,…", newest first; an empty list; no ":": half of one */
static void put_ancestors(struct genl_request *req, char *list)
{
	uint64_t number[2 * (DMR_MAX_NL_ANCESTORS + 1)];
	size_t nr = 0;
	char *end;

	while (*list && nr < sizeof(number) / sizeof(number[0])) {
		number[nr++] = strtoull(list, &end, 0);
		list = end + (*end && end != list);
	}
	genl_put(req, DMR_A_ANCESTORS, number, nr * sizeof(number[0]));
}

static int do_set(char **word)
{
	static struct genl_request req;

	genl_begin(&genl, &req, DMR_CMD_SET, 0);
	genl_put_u64(&req, DMR_A_DEV, dev);
	for (; *word; word++) {
		char *value = strchr(*word, '=');
		int field;

		if (!value)
			return -EINVAL;
		*value++ = '\0';
		if (!strcmp(*word, "ancestors")) {
			put_ancestors(&req, value);
			continue;
		}
		field = dmr_field_of_word(*word);
		if (field < 0)
			return -EINVAL;
		if (field == DMR_A_ROLE)
			genl_put_u32(&req, field, number(value));
		else
			genl_put_u64(&req, field, number(value));
	}
	return answer(genl_talk(&genl, &req, NULL, NULL));
}

static int do_forget(char **word)
{
	static struct genl_request req;

	if (!word[0])
		return -EINVAL;
	genl_begin(&genl, &req, DMR_CMD_FORGET, 0);
	genl_put_u64(&req, DMR_A_DEV, dev);
	genl_put_u64(&req, DMR_A_GENERATION, number(word[0]));
	genl_put_u64(&req, DMR_A_EPOCH, number(word[1]));
	return answer(genl_talk(&genl, &req, NULL, NULL));
}

static int do_get(char **word)
{
	struct dmr_get get;
	int err = answer(dmr_get(&genl, dev, &get));
	int field;

	for (; !err && *word; word++) {
		field = dmr_field_of_word(*word);
		if (field == DMR_A_STATE)
			printf("state=%s ", dmr_state_word(get.number[field]));
		else if (field > 0)
			printf("%s=%llu ", *word,
			       (unsigned long long)get.number[field]);
		else
			err = -EINVAL;
	}
	return err;
}

/* "FIELD=N", "FIELD>=N" ...: 1 holds, 0 does not, -EINVAL. */
static int holds(const struct dmr_get *get, const char *condition)
{
	size_t len = strcspn(condition, "!=<>");
	size_t op_len = strspn(condition + len, "!=<>");
	const char *op = condition + len;
	uint64_t want = number(op + op_len), is;
	char name[32];
	int field;

	if (!strcmp(condition, "frozen"))
		return get->number[DMR_A_STATE] == DMR_STATE_FROZEN;
	if (len >= sizeof(name) || !op_len)
		return -EINVAL;
	memcpy(name, condition, len);
	name[len] = '\0';
	field = dmr_field_of_word(name);
	if (field < 0)
		return -EINVAL;
	is = get->number[field];
	switch (op[0]) {
	case '!':
		return is != want;
	case '>':
		return is >= want;
	case '<':
		return is <= want;
	default:
		return is == want;
	}
}

static int do_expect(char **word)
{
	struct dmr_get get;
	int err = answer(dmr_get(&genl, dev, &get));

	for (; !err && *word; word++) {
		char name[32] = "";

		err = holds(&get, *word);
		err = err < 0 ? err : err ? 0 : -EDOM;
		memcpy(name, *word, strnlen(*word, 31));
		name[strcspn(name, "!=<>")] = '\0';
		if (err == -EDOM)
			printf("(%s is %llu) ", name, (unsigned long long)
			       get.number[dmr_field_of_word(name)]);
	}
	return err;
}

static int do_wait(char **word)
{
	int64_t end = now_ms() + (word[0] && word[1] ? number(word[1]) :
				  WAIT_MS);
	struct dmr_get get;
	int err;

	if (!word[0])
		return -EINVAL;
	do {
		err = answer(dmr_get(&genl, dev, &get));
		if (!err)
			err = holds(&get, word[0]);
		if (err)
			return err < 0 ? err : 0;
		nap_ms(2);
	} while (now_ms() < end);
	return -ETIMEDOUT;
}

static int find_event(const char *name, int ms)
{
	int event = name ? dmr_event_of_word(name) : -1;
	int64_t end = now_ms() + ms;
	struct dmr_note note;
	int err;

	if (event < 0)
		return -EINVAL;
	do {
		int64_t left = end - now_ms();

		err = dmr_next_note(&genl, left > 0 ? left : 0, &note);
		if (err)
			return err;
	} while ((int)note.event != event || note.dev != dev);
	printf("epoch=%llu flags=%u frozen=%llu %s%s",
	       (unsigned long long)note.epoch, note.epoch_flags,
	       (unsigned long long)note.nr_frozen, note.request,
	       note.request[0] ? " " : "");
	return 0;
}

static int do_event(char **word)
{
	return find_event(word[0], word[0] && word[1] ? number(word[1]) :
			  WAIT_MS);
}

static int do_noevent(char **word)
{
	int err = find_event(word[0], word[0] ? number(word[1]) : 0);

	return err == -ETIMEDOUT ? 0 : err ? err : -EEXIST;
}

static int do_sleep(char **word)
{
	nap_ms(number(word[0]));
	return 0;
}

/* --- the table ------------------------------------------------------------ */

static int do_start(char **word);
static int do_fails(char **word);

static const struct command {
	const char *name;
	int (*fn)(char **word);
} commands[] = {
	{ "attach", do_attach }, { "busy", ctl_busy }, { "cut", do_cut }, { "dev", do_dev },
	{ "detach", do_detach }, { "dirty", do_dirty }, { "discard", ctl_discard },
	{ "durable", ctl_write_durable }, { "end", do_end },
	{ "epoch", do_epoch }, { "event", do_event }, { "expect", do_expect },
	{ "fails", do_fails }, { "finish", ctl_finish },
	{ "flush", ctl_flush }, { "forget", do_forget },
	{ "frozen", do_frozen }, { "get", do_get }, { "hold", do_hold },
	{ "join", do_join }, { "mark", do_mark }, { "noevent", do_noevent },
	{ "nowait", ctl_write_nowait }, { "put", ctl_put },
	{ "read", ctl_read },
	{ "release", do_release }, { "run", ctl_run },
	{ "running", ctl_running }, { "set", do_set }, { "sleep", do_sleep },
	{ "start", do_start }, { "wait", do_wait }, { "write", ctl_write },
	{ "zero", ctl_zero },
};

static const struct command *find_command(const char *name)
{
	size_t i;

	for (i = 0; name && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

static int do_start(char **word)
{
	const struct command *command = find_command(word[0]);

	return command ? ctl_start(command->fn, word + 1) : -EINVAL;
}

static int do_fails(char **word)
{
	const struct command *command = word[0] ? find_command(word[1]) : NULL;
	const char *name;
	int err;

	if (!command)
		return -EINVAL;
	refused = false;
	err = command->fn(word + 2);
	name = err ? strerrorname_np(-err) : "success";
	printf("(%s: %s) ", name, refused ? genl.extack : "");
	if (strcmp(name, word[0]))
		return -EBADE;
	if (refused && !genl.extack[0])
		return -ENOMSG;
	refused = false;
	return 0;
}

/* --- the script ----------------------------------------------------------- */

static void print_result(int err)
{
	if (!err)
		printf("ok\n");
	else
		printf("FAILED: %s%s%s\n", strerrorname_np(-err),
		       refused && genl.extack[0] ? ": " : "",
		       refused ? genl.extack : "");
	fflush(stdout);
}

static int run_line(char *line)
{
	char *word[MAX_WORDS + 1] = { NULL };
	const struct command *command;
	int nr = 0, err;

	line[strcspn(line, "\n")] = '\0';
	printf("# %s: ", line);
	fflush(stdout);
	for (word[0] = strtok(line, " \t"); nr < MAX_WORDS - 1 && word[nr];)
		word[++nr] = strtok(NULL, " \t");
	if (!nr || word[0][0] == '#') {
		printf("\n");
		return 0;
	}
	command = find_command(word[0]);
	refused = false;
	err = command ? command->fn(word + 1) : -ENOSYS;
	print_result(err);
	return err;
}

static int run_input(void)
{
	char *line = NULL;
	size_t room = 0;
	int err = 0;

	while (!err && getline(&line, &room, stdin) >= 0)
		if (line[strspn(line, " \t\n")])
			err = run_line(line);
	free(line);
	return err;
}

static int run_script(char **argv)
{
	int err = 0;

	if (!*argv)
		return run_input();
	for (; !err && *argv; argv++)
		err = run_line(*argv);
	return err;
}

int main(int argc, char **argv)
{
	int err;

	if (argc > 1 && !strcmp(argv[1], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc < 2) {
		fputs(usage, stderr);
		return 2;
	}
	err = genl_open(&genl, DMR_GENL_NAME);
	if (!err)
		err = genl_subscribe(&genl);
	if (!err)
		err = dmr_dev_of_path(argv[1], &dev);
	if (err) {
		printf("# dmr-ctl %s: %s\n", argv[1], strerror(-err));
		return 1;
	}
	err = run_script(argv + 2);
	genl_close(&genl);
	return err ? 1 : 0;
}

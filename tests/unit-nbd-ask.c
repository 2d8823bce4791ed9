// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Before it opens an export the client can ask for another. If this failed, a
 * stage would be taken for a plain server, or the other way round, or a server
 * that does not know the question could not be used any more.
 */
#include <errno.h>

#include "nbd-client.h"
#include "nbd-script.h"
#include "tap.h"

static struct script_server server;
static char asked[4][64];	/* the server's thread, then main */
static uint32_t options[4];
static unsigned int nr_asked;

static uint32_t get_option(struct script_server *s)
{
	uint32_t option = script_get_option(s, !nr_asked, asked[nr_asked],
					    sizeof(asked[0]));

	options[nr_asked++] = option;
	return option;
}

static void leave(struct client *c)
{
	nbd_disconnect(c->conn);
}

static struct client *run(void (*script)(struct script_server *s),
			  const char *export)
{
	const struct nbd_opts opts = {
		.export = export,
		.ask_suffix = "@sum",
	};
	struct client *c = calloc(1, sizeof(*c));

	nr_asked = 0;
	c->on_ready = leave;
	if (script_start(&server, script))
		abort();
	client_run(c, server.uri, &opts);
	script_end(&server);
	return c;
}

static void serve_after_go(struct script_server *s)
{
	get_option(s);
	script_export(s, 64 << 20, SCRIPT_ALL_FLAGS);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	script_serve(s);
}

/* --- it is there --------------------------------------------------------- */

static void sibling_script(struct script_server *s)
{
	script_greet(s);
	get_option(s);
	script_blocks(s, 16, 4096, 65536);
	script_export(s, 4096, NBD_FLAG_HAS_FLAGS | NBD_FLAG_READ_ONLY);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	serve_after_go(s);
}

static void test_sibling(void)
{
	struct client *c = run(sibling_script, NULL);

	ok(c->nr_ready == 1 && !c->err, "a server with the other export");
	is_int(nr_asked, 2, "was asked twice");
	ok(options[0] == NBD_OPT_INFO && options[1] == NBD_OPT_GO,
	   "with INFO, then GO");
	is_str(asked[0], "vol@sum", "for the other");
	is_str(asked[1], "vol", "and for the one that is opened");
	ok(c->info.sibling.exists && c->info.sibling.is_read_only &&
	   c->info.sibling.size == 4096, "what it says of it is known");
	ok(c->info.size == 64 << 20 && !c->info.is_read_only &&
	   c->info.block_min == 1, "and not mixed up with ours");
	free(c);
}

/* --- it is not ----------------------------------------------------------- */

static uint32_t refusal;

static void refusing_script(struct script_server *s)
{
	script_greet(s);
	get_option(s);
	if (s->number)	/* first it tells, then it refuses */
		script_export(s, 4096, NBD_FLAG_READ_ONLY);
	script_opt(s, refusal, "no", 2);
	serve_after_go(s);
}

static void test_refused(void)
{
	static const uint32_t codes[] = { 1, 2, 3, 6, 77 };

	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		struct client *c;

		refusal = NBD_REP_ERR(codes[i]);
		c = run(refusing_script, "other");
		ok(c->nr_ready == 1 && !c->err && !c->info.sibling.exists,
		   "the question is refused with %u: it is opened", codes[i]);
		is_str(asked[1], "other", "the name that was given counts");
		free(c);
	}
}

static void told_and_refused_script(struct script_server *s)
{
	s->number = 1;
	refusing_script(s);
}

static void test_told_and_refused(void)
{
	struct client *c = run(told_and_refused_script, NULL);

	ok(c->nr_ready == 1 && !c->info.sibling.exists,
	   "what is refused in the end is not there");
	free(c);
}

/* --- the default export -------------------------------------------------- */

static void default_script(struct script_server *s)
{
	script_greet(s);
	get_option(s);
	script_opt(s, NBD_REP_INFO, "\0\1data", 6);
	script_export(s, 64 << 20, 0);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	get_option(s);
	script_export(s, 4096, NBD_FLAG_READ_ONLY);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	serve_after_go(s);
}

static void test_default(void)
{
	struct client *c = run(default_script, "");

	ok(c->nr_ready == 1 && c->info.sibling.exists, "a default export");
	is_str(asked[0], "", "its name is asked for");
	is_str(asked[1], "data@sum", "and used");
	is_str(asked[2], "", "it is opened as before");
	is_int(c->info.size, 64 << 20, "and has its own size");
	free(c);
}

static void nameless_script(struct script_server *s)
{
	script_greet(s);
	get_option(s);
	script_opt(s, NBD_REP_ACK, NULL, 0);
	serve_after_go(s);
}

static void test_nameless(void)
{
	struct client *c = run(nameless_script, "");

	ok(c->nr_ready == 1 && nr_asked == 2 && !c->info.sibling.exists,
	   "a default export without a name has no other");
	free(c);
}

/* --- nonsense ------------------------------------------------------------ */

static void wrong_option_script(struct script_server *s)
{
	script_greet(s);
	get_option(s);
	s->option = NBD_OPT_GO;
	script_opt(s, NBD_REP_ACK, NULL, 0);
	script_drain(s);
}

static void short_export_script(struct script_server *s)
{
	script_greet(s);
	get_option(s);
	script_opt(s, NBD_REP_INFO, "\0\0abc", 5);
	script_drain(s);
}

static void bad_name_script(struct script_server *s)
{
	script_greet(s);
	get_option(s);
	script_opt(s, NBD_REP_INFO, "\0\1a\0b", 5);
	script_drain(s);
}

static void test_nonsense(void)
{
	static const struct {
		void (*script)(struct script_server *s);
		const char *export;
	} bad[] = {
		{ wrong_option_script, NULL },
		{ short_export_script, NULL },
		{ bad_name_script, "" },
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct client *c = run(bad[i].script, bad[i].export);

		ok(c->err == -EPROTO && !c->nr_ready, "%s", c->text);
		free(c);
	}
}

int main(void)
{
	test_sibling();
	test_refused();
	test_told_and_refused();
	test_default();
	test_nameless();
	test_nonsense();
	return tap_done();
}

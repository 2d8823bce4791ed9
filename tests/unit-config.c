// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration. If this failed, a typo would silently mean a default, or
 * a volume enabled at run time would come back with other values.
 */
#include "config.h"
#include "nbd.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tap.h"

static char path[64];

static void write_file(const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

/* Loads @text; the error, without the file's name, must begin with @want. */
static void check_error(const char *text, const char *want)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct config config;

	write_file(text);
	config_init(&config);
	ok(config_load(&config, path, false, error) < 0 &&
	   !strncmp(error, path, strlen(path)) &&
	   strstr(error + strlen(path), want), "%s", want);
	if (!strstr(error, want))
		printf("# got %s\n", error);
	config_clear(&config);
}

static void check_errors(void)
{
	check_error("[volume a]\ntarget=local:/x\nintervall=1s\n",
		    ":3: there is no key \"intervall\", the nearest is "
		    "\"interval\"");
	check_error("[replicad]\nscket=/x\n", ":2: there is no key \"scket\", "
		    "the nearest is \"socket\"");
	check_error("[volume a]\ninterval=1 day\n", ":2: interval=1 day is "
		    "not a time such as 100ms");
	check_error("[volume a]\nwindow=64MB\n", ":2: window=64MB is not a "
		    "size such as 64MiB");
	check_error("[volume a]\nwindow=1B\n", ":2: window=1B is out of "
		    "range, it goes from 64KiB to 1TiB");
	check_error("[volume a]\nunsafe=maybe\n", ":2: unsafe=maybe is not "
		    "yes or no");
	check_error("[volume a]\nconnections=-1\n", ":2: connections=-1 is "
		    "not a number");
	check_error("[volume a/b]\ntarget=x\n", ":1: \"a/b\" is not a volume "
		    "name");
	check_error("[volumes]\ntarget=x\n", ":1: there is no section "
		    "[volumes], the nearest is \"volume\"");
	check_error("[volume a]\ntarget=x\n[volume b]\ntarget=y\n"
		    "[volume a]\nwindow=1MiB\n", ":5: volume a is there");
	check_error("[volume a]\ntarget\n", ":2: is neither");
	check_error("[volume a]\nwindow=1MiB\n", ": volume a has no target=");
	check_error("[volume a]\nspool_size=99999999999999999999GiB\n",
		    ":2: spool_size=99999999999999999999GiB is not a size");
}

static void check_titles(void)
{
	check_error("[volume a]\n[volume b]\ntarget=local:/x\n",
		    ":1: volume a has no target=");
	check_error("[replicad]\n[frob]\n[volume b]\n",
		    ":2: there is no section [frob]: there are");
	check_error("[frob]\n", ":1: there is no section [frob]");
	check_error("[type a/b]\n", ":1: \"a/b\" is not a name for a type");
	check_error("[target b san_password=s3cret]\n",
		    ":1: \"b…\" is not a name for a target");
	check_error("[volume v:s3cret]\n", ":1: \"v…\" is not a volume name");
	check_error("[san_password = s3cret]\n",
		    ":1: there is no section [san_password…]");
	check_error("[pool p]\n[pool p]\n", ":2: pool p is there already");
	check_error("[target default]\nuri=local:/x\n", ":1: no target can be "
		    "named default");
	check_error("reactors=2\n", ":1: \"reactors\" is in no section");
	check_error("\n[volume a]\ntarget=local:/x\n window=1MiB\n",
		    ":4: a line that begins with a blank goes on with target= "
		    "above");
	check_error("[volume a]\nwindow=1MiB\n MiB\n", ":3: a line that begins "
		    "with a blank goes on with window= above");
	check_error("[type t]\na=b\n c=d\n", ":3: a line that begins with a "
		    "blank goes on with a above");
}

/* F1: nothing is cut. */
static void check_long_lines(void)
{
	char error[CONFIG_ERROR_SIZE] = "", text[1000];
	struct config config;

	snprintf(text, sizeof(text), "[volume a]\ntarget=local:/%0300d\n", 0);
	check_error(text, ":2: the line is longer than");
	snprintf(text, sizeof(text), "[volume a]\ntarget=local:/%0150d\n"
		 "  %0150d\n\twindow\n", 0, 0);
	write_file(text);
	config_init(&config);
	is_int(config_load(&config, path, false, error), 0, "%s", error);
	snprintf(text, sizeof(text), "local:/%0150d%0150dwindow", 0, 0);
	is_str(config.volumes->target, text, "a value goes on in next lines");
	config_clear(&config);
}

static void check_references(void)
{
	check_error("[type gold]\n[volume a]\ntarget=local:/x\ntype=golt\n",
		    ":2: volume a: there is no [type golt], the nearest is "
		    "\"gold\"");
	check_error("[target site-b]\nuri=local:/x\n[volume a]\n"
		    "targets=site-c\n", ":3: volume a: there is no target "
		    "site-c, the nearest is \"site-b\"");
	check_error("[volume a]\nbackend=b\n", ":1: volume a: there is no "
		    "[backend b]");
	check_error("[target t]\n", ":1: [target t]: want uri=");
	check_error("[target t]\nuri=x\nbackend=b\n", "not both");
	check_error("[target t]\nbackend=b\n", ":1: [target t]: there is no "
		    "[backend b]");
	check_error("[pool p]\ntype=t\n", ":1: [pool p]: there is no [type t]");
	check_error("[backend b]\n[target t]\nbackend=b\n[volume a]\n"
		    "targets=t\n", ":4: volume a: the target t is the backend "
		    "b, which has no pair=");
	check_error("[target t]\nuri=local:/x\nenabled=no\n[volume a]\n"
		    "targets=t\n", ":4: volume a: no target of it is enabled");
	check_error("[target t]\nuri=local:/x\n[volume a]\ntargets=t\n"
		    "target=local:/y\n", "has target= and targets=");
	check_error("[pool p]\nreplicate=all\nmembers=v*\n[volume v]\n"
		    "group=g\ntarget=local:/x\n", ":4: volume v is of the "
		    "group g, and [pool p] names it too");
	check_error("[backend a]\nvolume_backend_name=x\n[backend b]\n"
		    "volume_backend_name=x\n", ":3: [backend b]: [backend a] "
		    "has the name x already");
	check_error("[type t]\nreplication:interval=soon\n[volume a]\ntype=t\n"
		    "target=local:/x\n", ":2: interval=soon is not a time");
}

static const char whole[] =
	"[backend west]\ndriver=lvm\nvolume_group=vg\n"
	"replication_device=backend_id:t1,host:h,port:1,tls:off\n"
	"[backend east]\npair=paris\n"
	"[target t2]\nuri=nbds://h/{volume}.img?tls-psk-file=/k\nfor=west\n"
	"[target t3]\nbackend=east\n"
	"[type gold]\nreplication_enabled=<is> True\n"
	"replication:interval = 60\nreplication:window=1MiB\n"
	"replication:target=t3\nreplication:frob=1\nother:frob=1\n"
	"[group g]\nvolumes=a, b*\ntype=gold\n"
	"[pool p]\nmembers=p*\nreplicate=all\n"
	"[volume a]\nwindow=2MiB\n"
	"[volume b1]\ntargets=t2\n"
	"[volume p1]\nbackend=west\n"
	"[volume p2]\ntarget=local:/x\n"
	"[volume w]\nbackend=west\ntargets=t1 t2\n";

static void check_resolving(void)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct volume_config *a, *b, *p;
	struct config config;

	write_file(whole);
	config_init(&config);
	is_int(config_load(&config, path, false, error), 0, "whole: %s", error);
	a = config_find(&config, "a");
	is_str(a->group, "g", "a group names it");
	is_str(a->type, "gold", "and gives it a type");
	is_int(a->interval_ms, 60000, "the type sets a key, in seconds");
	is_int(a->window, 2 << 20, "but not one that is its own");
	is_str(a->target, "pair:paris/a", "the type's target: a backend");
	is_str(a->target_id, "t3", "by its id");
	b = config_find(&config, "b1");
	is_str(b->target, "nbds://h/b1.img?tls-psk-file=/k",
	       "its own targets come first");
	is_int(b->window, 1 << 20, "b has the type, too");
	p = config_find(&config, "p1");
	is_str(p->target, "nbd://h:1/p1", "the first of its backend");
	is_str(p->tls, "off", "with what is said of it");
	is_str(p->group, "p", "a pool that is replicated whole is a group");
	is_str(config_find(&config, "p2")->target, "local:/x", "its own target");
	is_str(config_find(&config, "w")->target_id, "t1", "the first of two");
	ok(config.warnings && !config.warnings->next &&
	   strstr(config.warnings->value, "replication:frob"),
	   "one warning, of a spec that should be ours");
	config_clear(&config);
}

static int count_lines(const char *want)
{
	FILE *file = fopen(path, "r");
	char line[300];
	int nr = 0;

	while (file && fgets(line, sizeof(line), file))
		nr += !strncmp(line, want, strlen(want));
	if (file)
		fclose(file);
	return nr;
}

/* N2: a type that changes later is to change the volume. */
static void check_own(void)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct volume_config *a, *copy;
	struct config config;

	write_file(whole);
	config_init(&config);
	config_load(&config, path, false, error);
	a = config_find(&config, "a");
	copy = volume_config_clone(a);
	ok(volume_config_equals(a, copy), "a clone equals");
	volume_config_set(copy, "type", "", error);
	ok(!volume_config_equals(a, copy), "until it is changed");
	volume_config_destroy(copy);
	a->is_runtime = true;
	is_int(config_save(&config, path), 0, "saved");
	is_int(count_lines("window=2MiB"), 1, "its own line is saved");
	is_int(count_lines("interval") + count_lines("type") +
	       count_lines("target") + count_lines("group"), 0,
	       "none that is not its own");
	is_int(config_section(&config, SECTION_TYPE, "gold")->records != NULL, 1,
	       "the type is there");
	free(config_section(&config, SECTION_TYPE, "gold")->records->next->value);
	config_section(&config, SECTION_TYPE, "gold")->records->next->value =
		strdup("5");
	is_int(config_resolve(&config, a, error), 0, "resolved again");
	is_int(a->interval_ms, 5000, "by what the type says now");
	config_clear(&config);
}

static void check_values(void)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct volume_config *a;
	struct config config;

	write_file("# comment\n[replicad]\nreactors=2\nlog_level=debug\n"
		   "[volume a]\ntarget=nbd://h/e\ninterval=2m\nwindow=3MiB\n"
		   "unsafe=yes\nstale_wait=0\n[volume b]\ntarget=local:/x\n"
		   "group=g\n");
	config_init(&config);
	is_int(config_load(&config, path, false, error), 0, "a good file");
	is_int(config.reactors, 2, "a number");
	is_int(config.log_level, 3, "a level");
	a = config_find(&config, "a");
	ok(a && a->interval_ms == 120000 && a->window == 3 << 20 &&
	   a->is_unsafe && a->stale_wait_ms == 0, "values in units");
	ok(a && a->heartbeat_ms == 2000 && a->memory == 64 << 20,
	   "defaults where nothing is said");
	is_int(a->timeout_ms, NBD_DEADLINE_MS,
	       "the time for a request, which a stage counts on");
	is_str(config_find(&config, "b")->group, "g", "the second volume");
	ok(!config_find(&config, "c"), "no third volume");
	config_clear(&config);
}

static void check_saving(void)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct config config, again;
	struct volume_config *v = volume_config_create("vol");

	config_init(&config);
	config_init(&again);
	config.volumes = v;
	v->is_runtime = true;
	volume_config_set(v, "target", "nbd+unix:///e?socket=/s", error);
	volume_config_set(v, "interval", "1500ms", error);
	volume_config_set(v, "bandwidth", "10MiB", error);
	volume_config_set(v, "unsafe", "yes", error);
	is_int(config_save(&config, path), 0, "saved");
	is_int(config_load(&again, path, true, error), 0, "read again");
	v = config_find(&again, "vol");
	ok(v && v->interval_ms == 1500 && v->bandwidth == 10 << 20 &&
	   v->is_unsafe && v->is_runtime &&
	   !strcmp(v->target, "nbd+unix:///e?socket=/s"),
	   "what was saved comes back");
	config_clear(&config);
	config_clear(&again);
}

/* Saves a volume with this spool= and reads it back. */
static void check_saved_text(const char *text)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct config config, again;
	struct volume_config *v = volume_config_create("vol");

	config_init(&config);
	config_init(&again);
	config.volumes = v;
	v->is_runtime = true;
	volume_config_set(v, "target", "local:/x", error);
	volume_config_set(v, "spool", text, error);
	is_int(config_save(&config, path), 0, "saved");
	is_int(config_load(&again, path, true, error), 0, "read: %s", error);
	v = config_find(&again, "vol");
	is_str(v ? v->spool : NULL, text, "as it was");
	config_clear(&config);
	config_clear(&again);
}

static void check_not_saved(const char *text)
{
	char error[CONFIG_ERROR_SIZE];
	struct volume_config *v = volume_config_create("vol");

	ok(volume_config_set(v, "spool", text, error) == -E2BIG && !v->spool &&
	   strstr(error, "no place where"), "no place for a break");
	volume_config_destroy(v);
}

/* V1 */
static void check_awkward_texts(void)
{
	static const char *const no[] = { "a\nb", "a\rb", "/x\n[volume c]",
		" a", "a ", "a ;b", "a\t;b", "local:/mnt/caf\xe9" };
	struct volume_config *v = volume_config_create("vol");
	char error[CONFIG_ERROR_SIZE], text[600];

	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		ok(volume_config_set(v, "target", no[i], error) == -EINVAL &&
		   strstr(error, "target= may have no") && !v->target,
		   "refused: text %zu", i);
	volume_config_destroy(v);
	check_saved_text("/a=b;c#d:[e] f");
	check_saved_text("local:/mnt/caf\xc3\xa9");
	for (size_t i = 0; i < 40; i++)		/* at each break: a key? */
		memcpy(text + i * 13, "window=1 ;x# ", 13);
	for (size_t i = 0; i < 520; i++)
		text[i] = text[i] == ';' ? ':' : text[i];
	text[519] = 0;
	check_saved_text(text);
	memset(text, '#', 500);
	text[500] = 0;
	check_not_saved(text);
	memset(text, 'x', 500);
	text[500] = 0;
	check_saved_text(text);
}

static void check_names(void)
{
	ok(volume_name_is_valid("vg0-lv_1.x"), "a name");
	ok(!volume_name_is_valid("") && !volume_name_is_valid(".") &&
	   !volume_name_is_valid("../x") && !volume_name_is_valid("a b") &&
	   !volume_name_is_valid("a@b") && !volume_name_is_valid("-x"),
	   "names that are none");
}

int main(void)
{
	char error[CONFIG_ERROR_SIZE];
	struct config config;

	snprintf(path, sizeof(path), "/tmp/unit-config.%d", (int)getpid());
	check_errors();
	check_titles();
	check_long_lines();
	check_references();
	check_resolving();
	check_own();
	check_values();
	check_saving();
	check_awkward_texts();
	check_names();
	unlink(path);
	config_init(&config);
	ok(config_load(&config, path, false, error) == -ENOENT &&
	   strstr(error, "cannot be read"), "a file that is missing");
	config_clear(&config);
	return tap_done();
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration. If this failed, a typo would silently mean a default, or
 * a volume enabled at run time would come back with other values.
 */
#include "config.h"

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
	check_error("[volume a/b]\ntarget=x\n", ":2: \"a/b\" is not a volume "
		    "name");
	check_error("[volumes]\ntarget=x\n", ":2: there is no section "
		    "[volumes]");
	check_error("[volume a]\ntarget=x\n[volume b]\ntarget=y\n"
		    "[volume a]\nwindow=1MiB\n", ":6: volume a is there");
	check_error("[volume a]\ntarget\n", ":2: is neither");
	check_error("[volume a]\nwindow=1MiB\n", ": volume a has no target=");
	check_error("[volume a]\nspool_size=99999999999999999999GiB\n",
		    ":2: spool_size=99999999999999999999GiB is not a size");
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
	check_values();
	check_saving();
	check_names();
	unlink(path);
	config_init(&config);
	ok(config_load(&config, path, false, error) == -ENOENT &&
	   strstr(error, "cannot be read"), "a file that is missing");
	config_clear(&config);
	return tap_done();
}

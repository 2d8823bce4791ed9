// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * L1 at boot. A device that is activated by others (LVM, dmsetup) comes up
 * without its target: the form is "inserted". "replicad --insert" puts the
 * target in before the first write of this boot, and makes the devices of
 * volumes with an origin; insertion.c says what can be trusted then.
 */
#include "boot.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "activation-ask.h"
#include "daemon.h"
#include "insertion.h"
#include "log.h"
#include "promotion-record.h"

#define UNIT		"replica-insert.service"
#define POLL_US		100000
#define POLL_LVM_US	2000000		/* its tools look at all disks */

static time_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

static bool is_missing(int err)
{
	return err == -ENXIO || err == -ENODEV || err == -ENOENT;
}

static int insert_one(struct daemon *daemon, struct entry *entry, time_t until)
{
	struct insertion_past past = { 0 };
	struct kernel_device device;
	int err;

	for (;;) {
		err = insertion_run(daemon->kernel_ops,
				    daemon->config.state_dir, entry->config,
				    &past, &device, entry->error);
		if (!is_missing(err) || now() >= until)
			break;
		usleep(entry->config->origin ? POLL_LVM_US : POLL_US);
	}
	if (err)
		log_err(entry->config->name, "%s", entry->error);
	else if (device.is_suspect)
		log_warn(entry->config->name, "it may have been written "
			 "without its target: all of it is looked at again");
	else
		log_info(entry->config->name, "its target is in place");
	return err;
}

/* Its device is made by the record of its failover (promotion.h). */
static bool is_promoted(struct daemon *daemon, const struct entry *entry)
{
	const struct kernel_form form = { .device = entry->config->name };
	struct promotion_record record;
	char error[KERNEL_ERROR_SIZE];

	return !promotion_load(daemon->config.state_dir, entry->config->name,
			       &record) &&
	       is_missing(daemon->kernel_ops->is_plain(&form, error));
}

/* There is no network yet. */
static bool leave_to_daemon(struct daemon *daemon, const struct entry *entry)
{
	if (is_promoted(daemon, entry)) {
		log_info(entry->config->name, "it was promoted here: replicad "
			 "makes its device");
		return true;
	}
	if (!activation_has_to_ask(daemon->kernel_ops, daemon->config.state_dir,
				   entry->config))
		return false;
	log_info(entry->config->name, "replicad makes its device, when its "
		 "target has said that no other site has taken over "
		 "(activation=ask)");
	return true;
}

int boot_insert(struct daemon *daemon, unsigned int wait_s)
{
	time_t until = now() + wait_s;
	int first = 0;

	for (struct entry *e = daemon->entries; e; e = e->next) {
		int err = leave_to_daemon(daemon, e) ? 0 :
			  insert_one(daemon, e, until);

		first = first ? first : err;
	}
	return first;
}

static bool unit_is_enabled(void)
{
	static const char *const wants[] = {
		"/etc/systemd/system/sysinit.target.wants/" UNIT,
		"/etc/systemd/system/local-fs-pre.target.wants/" UNIT,
	};

	return !access(wants[0], F_OK) || !access(wants[1], F_OK);
}

/* Why what is remembered can be trusted after a boot, or not. */
static const char *why_of(const struct volume_config *config, const char *form)
{
	if (!strcmp(form, "private"))
		return "It is private: nothing but replicad activates its "
		       "origin (activation skip). So only what is dirty is "
		       "sent then.";
	if (config->trusts_boot)
		return "What it remembers is trusted then if nothing has been "
		       "written since the start of the system, and no other "
		       "system wrote before (trust_boot=yes).";
	return "Since others can write it without the target, all of it is "
	       "looked at again then. A private volume is not (origin=), nor "
	       "one of which you know better (trust_boot=yes).";
}

void boot_forecast(const struct volume_config *config, const char *form,
		   char text[CONFIG_ERROR_SIZE])
{
	const char *metadata = config->metadata;

	if (metadata && !strcmp(metadata, "none"))
		snprintf(text, CONFIG_ERROR_SIZE, "After a boot everything is "
			 "sent again: nothing is kept (metadata=none).");
	else if (!metadata || (!config->origin && !strcmp(form, "own")))
		snprintf(text, CONFIG_ERROR_SIZE, "At boot, the device must "
			 "come up with its replica target: it has its own.");
	else if (config->activation == ACTIVATION_ASK && config->origin)
		snprintf(text, CONFIG_ERROR_SIZE, "At boot, replicad makes the "
			 "device when the target has said that no other site "
			 "has taken over (activation=ask): mount it with "
			 "_netdev. %s", why_of(config, form));
	else
		snprintf(text, CONFIG_ERROR_SIZE, "At boot, %s %s. %s",
			 unit_is_enabled() ? UNIT " before filesystems are "
			 "mounted" : "replicad, since " UNIT " is not enabled,",
			 config->origin ? "makes the device" :
			 "inserts the target: the device comes up without it",
			 why_of(config, form));
}

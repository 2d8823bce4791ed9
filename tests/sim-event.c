// SPDX-License-Identifier: GPL-2.0-or-later
/* Events of the simulated kernel: each listener has a fifo, "events.ID". */
#include "sim-impl.h"

#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <unistd.h>

static void write_event(const char *path, const struct dmr_nl_event *ev)
{
	int fd = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return;
	n = write(fd, ev, sizeof(*ev));
	(void)n; /* hints may be lost */
	close(fd);
}

static struct dmr_nl_event event_of(const struct sim_volume *v, uint32_t type)
{
	struct dmr_nl_event ev = {
		.type = type,
		.dev = v->info.dev,
		.epoch = v->info.epoch,
		.epoch_flags = v->info.epoch_flags,
		.nr_frozen = v->info.nr_frozen,
	};

	snprintf(ev.name, sizeof(ev.name), "%s", v->name);
	return ev;
}

void sim_send(struct sim_volume *v, uint32_t type)
{
	struct dmr_nl_event ev = event_of(v, type);
	char fifo[32];

	snprintf(fifo, sizeof(fifo), "events.%u", v->info.owner);
	write_event(sim_path(fifo, ""), &ev);
}

void sim_send_request(struct sim_volume *v, const char *text)
{
	struct dmr_nl_event ev = event_of(v, DMR_EVENT_REQUEST);
	glob_t all;

	snprintf(ev.request, sizeof(ev.request), "%s", text);
	if (glob(sim_path("events.*", ""), 0, NULL, &all))
		return;
	for (size_t i = 0; i < all.gl_pathc; i++)
		write_event(all.gl_pathv[i], &ev);
	globfree(&all);
}

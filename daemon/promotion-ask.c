// SPDX-License-Identifier: GPL-2.0-or-later
/* Whose target is asked before a device is made again: T8 in promotion.h. */
#include "promotion-impl.h"

#include <errno.h>

#include "activation-ask.h"
#include "daemon.h"

bool promotion_asks_first(const struct daemon *daemon, const char *volume)
{
	const struct promotion *p = promotion_find(daemon, volume);

	return p && p->asks_first;
}

/* Until who enabled it has taken that back. */
static bool is_asking(const struct promotion *p)
{
	const struct entry *entry = daemon_find(p->daemon, p->record.volume);

	return p->asks_first && entry &&
	       activation_asks(p->daemon->config.state_dir, entry->config);
}

bool promotion_is_asking(const struct promotion *leader)
{
	for (const struct promotion *p = leader->daemon->promotions; p;
	     p = p->next)
		if (promotion_is_of(p, leader) && is_asking(p))
			return true;
	return false;
}

void promotion_ask_no_more(struct promotion *leader)
{
	for (struct promotion *p = leader->daemon->promotions; p; p = p->next)
		if (promotion_is_of(p, leader))
			p->asks_first = false;
}

/* A device that is there was the primary all the time. */
static void find_if_asks(struct promotion *p)
{
	const struct kernel_form form = { .device = p->record.volume };
	char error[KERNEL_ERROR_SIZE];

	p->asks_first = p->record.step == PROMOTION_ACTIVE;
	p->asks_first = is_asking(p) &&
			p->daemon->kernel_ops->is_plain(&form, error);
	if (p->asks_first)
		error_set(&p->error, -EAGAIN, "%s: its target is asked first "
			  "whether another site has taken over "
			  "(activation=ask)", p->record.volume);
}

void promotions_find_who_asks(struct daemon *daemon)
{
	for (struct promotion *p = daemon->promotions; p; p = p->next)
		if (p->state == PROMOTION_FAILED)	/* until it goes on */
			find_if_asks(p);
}

// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the other side of a pair asks to be given up here; the rest of it is
 * methods-route.c.
 *
 * O12 What may have been given up here, or may be yet, is never refused as if
 *    it had not: the status is that of what is not known (R9 in resolve.h).
 *    That nothing is sent by that name is said only if nothing of it is under
 *    way: who asked before need not wait for that any more.
 * O13 What is known to have been given up takes nothing more: that it was is
 *    told whoever asks, also without consent, and when it is disabled.
 */
#include "route-impl.h"

#include <string.h>

#include "daemon.h"
#include "promotion.h"
#include "resolve.h"
#include "routing.h"

/* O9. @nr: so many are sent there by that name. NULL: none, or not one. */
static const char *name_sent(const struct pairing *p, const char *volume,
			     unsigned int *nr)
{
	const char *name = NULL;

	*nr = 0;
	for (struct entry *e = p->daemon->entries; e; e = e->next) {
		const char *export = pairing_target_export(e->config->target,
							   p->record.name);

		if (!export || strcmp(*export ? export : e->config->name,
				      volume))
			continue;
		name = e->config->name;
		++*nr;
	}
	return *nr == 1 && p->state == PAIRING_SENDING ? name : NULL;
}

/* O12. The name here of what is not sent any more; NULL: another has it now. */
static const char *name_left(const struct pairing *p, const char *volume)
{
	return p->state == PAIRING_SENDING && volume_name_is_valid(volume) &&
	       !daemon_find(p->daemon, volume) ? volume : NULL;
}

/* O13 */
static void tell_over(struct route_job *job, const char *name, bool is_dry)
{
	json_t *o = json_pack("{ss sb sI sI ss si sb}", "volume", name,
			      "given_up_before", true, "lost_bytes",
			      (json_int_t)0, "last_committed", (json_int_t)0,
			      "salvage", "", "schema_version", 1, "dry_run",
			      is_dry);

	route_job_end(job, o ? 0 : EXIT_FAILED_, o ? NULL : "no memory", o);
}

/* It is not to be done; by O12 and O13 that is not all that can be said. */
static void refuse_taking(struct route_job *job, const char *name, bool is_dry,
			  int exit_status, const char *why)
{
	struct routing *x = job->route->arg;
	const struct daemon *daemon = x->pairing->daemon;

	if (name && !is_dry && resolve_is_over(daemon, name))
		tell_over(job, name, is_dry);
	else if (name && !is_dry && resolve_may_be_over(daemon, name))
		route_refuse_job(job, ROUTE_NOT_KNOWN, "it was given up there, "
				 "or may yet be");
	else
		route_refuse_job(job, exit_status, why);
}

/* @name: name_left(). */
static void run_left(struct route_job *job, const struct route_verb *verb,
		     const char *volume, const char *name, const json_t *params)
{
	struct routing *x = job->route->arg;
	const struct daemon *daemon = x->pairing->daemon;

	if (name && promotion_is_ending(daemon, name))
		route_run_here(job, verb, name, params);
	else if (name && resolve_is_over(daemon, name))
		tell_over(job, name, route_changes_nothing(verb, params));
	else if (volume && (name ? resolve_may_be_over(daemon, name) :
				   resolve_may_go_on(daemon, volume)))
		route_refuse_job(job, ROUTE_NOT_KNOWN, "it was given up there, "
				 "or may yet be");
	else
		route_refuse_job(job, EXIT_NOT_FOUND, "nothing of that name is "
				 "sent from there any more");
}

void route_run_taking(struct route_job *job, const struct route_verb *verb,
		      const char *volume, const json_t *params)
{
	struct routing *x = job->route->arg;
	bool is_dry = route_changes_nothing(verb, params);
	unsigned int nr = 0;
	const char *name = volume ? name_sent(x->pairing, volume, &nr) : NULL;
	const char *left = volume && !nr ? name_left(x->pairing, volume) : NULL;
	int exit_status;
	const char *why = route_check_job(x->pairing, verb, params,
					  &exit_status);

	if (nr > 1)
		route_refuse_job(job, EXIT_FAILED_, "more than one is sent "
				 "from there by that name");
	else if (why)
		refuse_taking(job, name ?: left, is_dry, exit_status, why);
	else if (name)
		route_run_here(job, verb, name, params);
	else
		run_left(job, verb, volume, left, params);
}

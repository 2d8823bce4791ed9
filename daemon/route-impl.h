/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What methods-route.c, route-taking.c and others of them share. */
#ifndef REPLICAD_ROUTE_IMPL_H
#define REPLICAD_ROUTE_IMPL_H

#include <jansson.h>
#include <stdbool.h>

#include "pairing.h"
#include "route.h"

struct daemon;
struct entry;
struct request;

enum exit_status { EXIT_FAILED_ = 1, EXIT_USAGE_ = 2, EXIT_NOT_FOUND = 3,
		   EXIT_REFUSED = 5, EXIT_PERMISSION = 7, EXIT_NOT_HERE = 8 };

/* What the section of the pair has to say yes to (O9). */
enum route_consent { CONSENT_NONE, CONSENT_GIVE_UP, CONSENT_DELETE };

struct route_verb {
	const char *name;
	void (*call)(struct request *request);
	bool is_of_here;		/* where it was made; of O7 */
	bool is_harmless;		/* it changes nothing */
	bool is_of_any;			/* also of what is not to be used */
	enum route_consent consent;
	bool is_of_group;		/* of all of one, by their names */
	const char *params;		/* params.h: that may be said with it */
	/* There: instead of name_here() and route_run_here(). NULL: those. */
	void (*run)(struct route_job *job, const struct route_verb *verb,
		    const char *volume, const json_t *params);
	/* Here: takes the request, or false: it is done here. NULL: O7. */
	bool (*ask)(struct request *request);
};

bool route_changes_nothing(const struct route_verb *verb,
			   const json_t *params);
/* NULL: it may be done there, if it is there. */
const char *route_check_job(const struct pairing *p,
			    const struct route_verb *verb,
			    const json_t *params, int *exit_status);
/* O8, O9. @name: of the volume, here. */
void route_run_here(struct route_job *job, const struct route_verb *verb,
		    const char *name, const json_t *said);
/* @text: static. */
void route_refuse_job(struct route_job *job, int exit_status,
		      const char *text);

const struct route_verb *route_find_verb(const char *name);
/* By a driver; also where that cannot be read. */
bool route_was_made_here(const struct daemon *daemon, const char *volume);
/* Of a volume that is sent to a pair: its @status, as status_all() has it. */
bool route_is_superseded(const struct daemon *daemon, const char *volume,
			 const json_t *status);
/* The request is answered as the other side of @p does; @name: to that. */
void route_ask_there(struct request *request, const struct route_verb *verb,
		     struct pairing *p, const char *name);

/* Whose verb it is. */
struct pairing *route_pairing_of(const struct route_job *job);
/* Is that entry what @volume is to the pair? */
bool route_is_sent_as(const struct entry *entry, const struct pairing *p,
		      const char *volume);

/* route-delete.c */
void route_run_delete(struct route_job *job, const struct route_verb *verb,
		      const char *volume, const json_t *params);
void do_delete_asked(struct request *request);
bool route_delete(struct request *request);

/* route-taking.c: O12, O13 */
void route_run_taking(struct route_job *job, const struct route_verb *verb,
		      const char *volume, const json_t *params);

#endif

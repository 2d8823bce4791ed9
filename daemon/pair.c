// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * How a pair lives.
 *
 *	             ENABLE             LOST, RESUME
 *	 disabled -----------> connecting <------- error
 *	    ^                  |   ^   ^             ^
 *	    | DISABLE          |   |   '- RESUME     | REFUSED
 *	    | (from            |   | LOST   |        | (from connecting
 *	    |  anywhere)       |   |        |        |  and all below)
 *	                       |   |      paused     |
 *	         CONNECTED_NEW |   |        ^        |
 *	                       v   |        | PAUSE (from anywhere but disabled)
 *	  .-------- syncing -------|
 *	  | CLEAN      | STALLED   |
 *	  v            v           |
 *	replicating  falling-behind|     connecting -- CONNECTED --> catching-up
 *	  |   ^          |  ^      |
 *	  |   '-- CLEAN -'  |STALLED
 *	  |   ^             |      |
 *	  |   '- CLEAN - catching-up
 *	  '---- PARTIAL ----^
 *
 * What is true in each state:
 *  disabled        no connection, no epoch, nothing is owed to anybody
 *  connecting      no epoch is cut; the kernel collects. An epoch whose commit
 *                  was not answered may still be open (W3)
 *  syncing         no clean epoch has ever been committed at a target
 *  replicating     the last epoch that ended was committed clean
 *  catching-up     a clean image exists at the target (not with apply=direct
 *                  while it is overwritten), newer data goes there in windows;
 *                  or it waits until there is room for it (FULL), with the
 *                  connection closed, and RETRY tries again
 *  falling-behind  the same, and four windows and a clean cut did not help
 *  paused          no connection, no epoch; the kernel collects
 *  error           as paused, but for the connection of another try (RETRY):
 *                  who looks sees an error that stays, not one that comes and
 *                  goes. CONNECTED ends it as it ends connecting
 *  superseded, split-brain
 *                  the same; nothing was sent since, and nothing will be until
 *                  an operator says so (L3)
 *
 * SUPERSEDED and SPLIT lead there from every state with a connection, GIVEN_UP
 * to superseded also from split-brain; DISABLE, PAUSE and RESUME lead out.
 *
 * P1 pair_handle() is the only function that changes ->state, by the table.
 * P2 (state, event) pairs that are not in the table change nothing and ask for
 *    nothing: a late event of a connection that was closed is harmless.
 */
#include "pair.h"

#include <stdio.h>
#include <string.h>

struct transition {
	bool exists;
	enum pair_state next;
	unsigned int actions;
};

#define GO(next_state, todo)	{ true, PAIR_##next_state, todo }

#define SUPERSEDED \
	[PAIR_EV_SUPERSEDED] = GO(SUPERSEDED, PAIR_DO_STOP | PAIR_DO_CLOSE | \
				  PAIR_DO_ALARM)
#define SPLIT \
	[PAIR_EV_SPLIT] = GO(SPLIT_BRAIN, PAIR_DO_STOP | PAIR_DO_CLOSE | \
			     PAIR_DO_ALARM)
#define GIVEN_UP \
	[PAIR_EV_GIVEN_UP] = GO(SUPERSEDED, PAIR_DO_STOP | PAIR_DO_CLOSE)
/* Rows that all states with an open connection share. */
#define COMMON \
	[PAIR_EV_DISABLE] = GO(DISABLED, PAIR_DO_STOP | PAIR_DO_CLOSE), \
	[PAIR_EV_PAUSE] = GO(PAUSED, PAIR_DO_STOP | PAIR_DO_CLOSE), \
	[PAIR_EV_REFUSED] = GO(ERROR, PAIR_DO_STOP | PAIR_DO_CLOSE | \
			       PAIR_DO_RETRY | PAIR_DO_ALARM), \
	SUPERSEDED, SPLIT, GIVEN_UP
/* Nothing but an operator leads out. */
#define ENDED \
	[PAIR_EV_DISABLE] = GO(DISABLED, PAIR_DO_CLOSE), \
	[PAIR_EV_PAUSE] = GO(PAUSED, PAIR_DO_CLOSE), \
	[PAIR_EV_RESUME] = GO(CONNECTING, PAIR_DO_OPEN), \
	GIVEN_UP
/* What is to be sent has no room there: it waits, and is tried again (S6). */
#define FULL(next_state) \
	[PAIR_EV_FULL] = GO(next_state, PAIR_DO_STOP | PAIR_DO_RETRY | \
			    PAIR_DO_ALARM)
#define TRIES_AGAIN(state) \
	[PAIR_EV_RETRY] = GO(state, PAIR_DO_OPEN), \
	[PAIR_EV_CONNECTED_NEW] = GO(SYNCING, PAIR_DO_SHIP), \
	[PAIR_EV_CONNECTED] = GO(CATCHING_UP, PAIR_DO_SHIP)
#define LOST \
	[PAIR_EV_LOST] = GO(CONNECTING, PAIR_DO_STOP | PAIR_DO_RETRY)

static const struct transition table[PAIR_NR_STATES][PAIR_NR_EVENTS] = {
	[PAIR_DISABLED] = {
		[PAIR_EV_ENABLE] = GO(CONNECTING, PAIR_DO_OPEN),
	},
	[PAIR_CONNECTING] = {
		COMMON, LOST,
		[PAIR_EV_RETRY] = GO(CONNECTING, PAIR_DO_OPEN),
		[PAIR_EV_CONNECTED_NEW] = GO(SYNCING, PAIR_DO_SHIP),
		[PAIR_EV_CONNECTED] = GO(CATCHING_UP, PAIR_DO_SHIP),
	},
	[PAIR_SYNCING] = {
		COMMON, LOST, FULL(SYNCING), TRIES_AGAIN(SYNCING),
		[PAIR_EV_CLEAN] = GO(REPLICATING, PAIR_DO_SHIP),
		[PAIR_EV_PARTIAL] = GO(SYNCING, PAIR_DO_SHIP),
		[PAIR_EV_STALLED] = GO(FALLING_BEHIND, PAIR_DO_SHIP |
				       PAIR_DO_ALARM),
	},
	[PAIR_REPLICATING] = {
		COMMON, LOST, FULL(CATCHING_UP),
		[PAIR_EV_CLEAN] = GO(REPLICATING, PAIR_DO_SHIP),
		[PAIR_EV_PARTIAL] = GO(CATCHING_UP, PAIR_DO_SHIP),
		[PAIR_EV_STALLED] = GO(FALLING_BEHIND, PAIR_DO_SHIP |
				       PAIR_DO_ALARM),
	},
	[PAIR_CATCHING_UP] = {
		COMMON, LOST, FULL(CATCHING_UP), TRIES_AGAIN(CATCHING_UP),
		[PAIR_EV_CLEAN] = GO(REPLICATING, PAIR_DO_SHIP),
		[PAIR_EV_PARTIAL] = GO(CATCHING_UP, PAIR_DO_SHIP),
		[PAIR_EV_STALLED] = GO(FALLING_BEHIND, PAIR_DO_SHIP |
				       PAIR_DO_ALARM),
	},
	[PAIR_FALLING_BEHIND] = {
		COMMON, LOST, FULL(CATCHING_UP),
		[PAIR_EV_CLEAN] = GO(REPLICATING, PAIR_DO_SHIP),
		[PAIR_EV_PARTIAL] = GO(FALLING_BEHIND, PAIR_DO_SHIP),
		[PAIR_EV_STALLED] = GO(FALLING_BEHIND, PAIR_DO_SHIP),
	},
	[PAIR_PAUSED] = {
		[PAIR_EV_DISABLE] = GO(DISABLED, 0),
		[PAIR_EV_RESUME] = GO(CONNECTING, PAIR_DO_OPEN),
	},
	[PAIR_SUPERSEDED] = { ENDED },
	[PAIR_SPLIT_BRAIN] = { ENDED },
	[PAIR_ERROR] = {
		[PAIR_EV_DISABLE] = GO(DISABLED, PAIR_DO_CLOSE),
		[PAIR_EV_PAUSE] = GO(PAUSED, PAIR_DO_CLOSE),
		[PAIR_EV_RESUME] = GO(CONNECTING, PAIR_DO_OPEN),
		[PAIR_EV_CONNECTED_NEW] = GO(SYNCING, PAIR_DO_SHIP),
		[PAIR_EV_CONNECTED] = GO(CATCHING_UP, PAIR_DO_SHIP),
		LOST,
		[PAIR_EV_RETRY] = GO(ERROR, PAIR_DO_OPEN),
		[PAIR_EV_REFUSED] = GO(ERROR, PAIR_DO_STOP | PAIR_DO_CLOSE |
				       PAIR_DO_RETRY),
		SUPERSEDED, SPLIT, GIVEN_UP,
	},
};

struct state_words {
	const char *name;
	const char *reason;	/* where the event brought none */
	const char *next_step;
};

static const struct state_words words[PAIR_NR_STATES] = {
	[PAIR_DISABLED] = { "disabled", "replication is off",
		"enable it: replicactl enable" },
	[PAIR_CONNECTING] = { "connecting", "the target has not answered yet",
		"replicad tries again by itself; check the target" },
	[PAIR_SYNCING] = { "syncing", "the first copy is being made",
		"wait; there is no replica to fail over to yet" },
	[PAIR_REPLICATING] = { "replicating", "", "" },
	[PAIR_CATCHING_UP] = { "catching-up",
		"the replica is behind and is being brought up to date",
		"wait" },
	[PAIR_FALLING_BEHIND] = { "falling-behind",
		"writes come in faster than the link takes them away",
		"give more bandwidth, memory= or spool=, or write less" },
	[PAIR_PAUSED] = { "paused", "paused by an operator",
		"go on: replicactl resume" },
	[PAIR_FAILING_OVER] = { "failing-over", "a failover is under way",
		"wait" },
	[PAIR_PROMOTED] = { "promoted", "the other site is the primary",
		"fail back when the time has come" },
	[PAIR_DIVERGED] = { "diverged", "both sites have data of their own",
		"resolve it" },
	[PAIR_SUPERSEDED] = { "superseded", "a newer primary has taken over",
		"stop what writes here, then: replicactl resolve --keep peer "
		"(it keeps aside what is only here)" },
	[PAIR_SPLIT_BRAIN] = { "split-brain", "both sites were primary",
		"decide which one is right; at the other: stop what writes, "
		"then: replicactl resolve --keep peer" },
	[PAIR_ERROR] = { "error", "something must be put right first",
		"put right what the reason names, then: replicactl recover" },
};

static const char *const event_names[PAIR_NR_EVENTS] = {
	[PAIR_EV_ENABLE] = "enable",
	[PAIR_EV_DISABLE] = "disable",
	[PAIR_EV_PAUSE] = "pause",
	[PAIR_EV_RESUME] = "resume",
	[PAIR_EV_CONNECTED_NEW] = "connected-new",
	[PAIR_EV_CONNECTED] = "connected",
	[PAIR_EV_LOST] = "lost",
	[PAIR_EV_REFUSED] = "refused",
	[PAIR_EV_RETRY] = "retry",
	[PAIR_EV_CLEAN] = "clean",
	[PAIR_EV_PARTIAL] = "partial",
	[PAIR_EV_STALLED] = "stalled",
	[PAIR_EV_SUPERSEDED] = "superseded",
	[PAIR_EV_SPLIT] = "split",
	[PAIR_EV_FULL] = "full",
	[PAIR_EV_GIVEN_UP] = "given-up",
};

void pair_init(struct pair *pair)
{
	memset(pair, 0, sizeof(*pair));
	pair->state = PAIR_DISABLED;
}

/* An error for another reason is news, too, and a log that became full. */
static bool is_another_error(const struct pair *pair, enum pair_state next,
			     enum pair_event event, const char *reason)
{
	return (next == PAIR_ERROR || event == PAIR_EV_FULL) && reason &&
	       strncmp(pair->reason, reason, sizeof(pair->reason) - 1);
}

static void set_state(struct pair *pair, enum pair_state next,
		      uint64_t now_ns, bool is_news)
{
	enum pair_state from = pair->state;

	if (!is_news)
		return;
	if (from != next)
		pair->since_ns = now_ns;
	pair->state = next;
	if (pair->changed)
		pair->changed(pair, from);
}

/* A state that is kept keeps its reason, unless a new one came. */
static void set_reason(struct pair *pair, enum pair_state next,
		       const char *reason)
{
	if (next == PAIR_REPLICATING)
		pair->reason[0] = 0;
	else if (reason)
		snprintf(pair->reason, sizeof(pair->reason), "%s", reason);
	else if (next != pair->state)
		pair->reason[0] = 0;
}

unsigned int pair_handle(struct pair *pair, enum pair_event event,
			 uint64_t now_ns, const char *reason)
{
	const struct transition *t = &table[pair->state][event];
	bool is_news;

	if (!t->exists)
		return 0;
	is_news = t->next != pair->state ||
		  is_another_error(pair, t->next, event, reason);
	if (event == PAIR_EV_PARTIAL && !reason)
		reason = "";		/* there was room for it */
	set_reason(pair, t->next, reason);
	set_state(pair, t->next, now_ns, is_news);
	return t->actions;
}

bool pair_is_shipping(enum pair_state state)
{
	return state == PAIR_SYNCING || state == PAIR_REPLICATING ||
	       state == PAIR_CATCHING_UP || state == PAIR_FALLING_BEHIND;
}

const char *pair_state_name(enum pair_state state)
{
	return words[state].name;
}

const char *pair_event_name(enum pair_event event)
{
	return event_names[event];
}

const char *pair_reason(const struct pair *pair)
{
	return pair->reason[0] ? pair->reason : words[pair->state].reason;
}

const char *pair_next_step(enum pair_state state)
{
	return words[state].next_step;
}

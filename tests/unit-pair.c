// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Every (state, event) of a pair, against a table written independently of the
 * one in pair.c. If this failed, a pair could ship over a connection that an
 * operator has paused, or stay silent in a state that needs one.
 */
#include "pair.h"

#include <stdio.h>
#include <string.h>

#include "tap.h"

/*
 * Rows: states; columns: events, in the order of enum pair_event:
 * enable disable pause resume connected-new connected lost refused retry clean
 * partial stalled superseded split full given-up.
 * A letter is the next state, '.' = nothing happens.
 */
static const char *const expected[PAIR_NR_STATES] = {
	[PAIR_DISABLED]		= "c...............",
	[PAIR_CONNECTING]	= ".dp.sucec...xb.x",
	[PAIR_SYNCING]		= ".dp.sucesrsfxbsx",
	[PAIR_REPLICATING]	= ".dp...ce.rufxbux",
	[PAIR_CATCHING_UP]	= ".dp.suceurufxbux",
	[PAIR_FALLING_BEHIND]	= ".dp...ce.rffxbux",
	[PAIR_PAUSED]		= ".d.c............",
	[PAIR_FAILING_OVER]	= "................",
	[PAIR_PROMOTED]		= "................",
	[PAIR_DIVERGED]		= "................",
	[PAIR_SUPERSEDED]	= ".dpc...........x",
	[PAIR_SPLIT_BRAIN]	= ".dpc...........x",
	[PAIR_ERROR]		= ".dpcsucee...xb.x",
};

static const char letters[] = "dcsrufp...xbe";
static unsigned int nr_changes;

static void count_change(struct pair *pair, enum pair_state from)
{
	nr_changes++;
}

static enum pair_state state_of(char letter)
{
	return strchr(letters, letter) - letters;
}

static void start_in(struct pair *pair, enum pair_state state)
{
	pair_init(pair);
	pair->state = state;
	pair->changed = count_change;
	nr_changes = 0;
}

static void check_one(enum pair_state state, enum pair_event event)
{
	char want = expected[state][event];
	enum pair_state next = want == '.' ? state : state_of(want);
	struct pair pair;
	unsigned int todo;
	int good;

	start_in(&pair, state);
	todo = pair_handle(&pair, event, 7, "because");
	good = pair.state == next &&
	       nr_changes == (next != state || want == 'e' ||
			      (want != '.' && event == PAIR_EV_FULL));
	if (want == '.')
		good = good && !todo && !pair.reason[0];
	else
		good = good && (next == PAIR_REPLICATING) == !pair.reason[0];
	/* Shipping starts only where it is allowed, and stops where not. */
	good = good && (!(todo & PAIR_DO_SHIP) || pair_is_shipping(next));
	if (pair_is_shipping(state) && !pair_is_shipping(next))
		good = good && (todo & PAIR_DO_STOP);
	if (want != '.' && next == PAIR_CONNECTING)
		good = good && (todo & (PAIR_DO_OPEN | PAIR_DO_RETRY));
	ok(good, "%s in %s leads to %s", pair_event_name(event),
	   pair_state_name(state), pair_state_name(next));
}

static void check_words(enum pair_state state)
{
	struct pair pair;

	start_in(&pair, state);
	ok(pair_state_name(state)[0] &&
	   (state == PAIR_REPLICATING) == !pair_reason(&pair)[0] &&
	   (state == PAIR_REPLICATING) == !pair_next_step(state)[0],
	   "%s has a reason and a next step", pair_state_name(state));
}

static void check_reasons(void)
{
	struct pair pair;

	start_in(&pair, PAIR_SYNCING);
	pair_handle(&pair, PAIR_EV_LOST, 1, "cable cut");
	is_str(pair_reason(&pair), "cable cut", "a reason is kept");
	pair_handle(&pair, PAIR_EV_RETRY, 2, NULL);
	is_str(pair_reason(&pair), "cable cut", "… while the state stays");
	pair_handle(&pair, PAIR_EV_CONNECTED, 3, NULL);
	ok(!strstr(pair_reason(&pair), "cable"), "… and not longer");
	is_int(pair.since_ns, 3, "the time of the change is noted");
	pair_handle(&pair, PAIR_EV_REFUSED, 4, "wrong volume");
	nr_changes = 0;
	pair_handle(&pair, PAIR_EV_RETRY, 5, NULL);
	pair_handle(&pair, PAIR_EV_REFUSED, 6, "wrong volume");
	is_int(nr_changes, 0, "the same error again is no news");
	is_str(pair_reason(&pair), "wrong volume", "it is told all the time");
	is_int(pair.since_ns, 4, "since it came");
	pair_handle(&pair, PAIR_EV_REFUSED, 7, "wrong size");
	is_int(nr_changes, 1, "another error is news");
}

int main(void)
{
	for (int state = 0; state < PAIR_NR_STATES; state++) {
		for (int event = 0; event < PAIR_NR_EVENTS; event++)
			check_one(state, event);
		check_words(state);
	}
	check_reasons();
	return tap_done();
}

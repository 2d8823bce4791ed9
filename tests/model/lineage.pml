/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two sites and their generations: who may write, who sends to whom, and what an
 * operator decides. Each site may be promoted by force at any moment, also while
 * the other one is well, and crashes and comes back as it was, with its device,
 * without asking (activation=force).
 *
 * Data are the writes that a site has, a bit each: who has got an epoch has all
 * that its primary had then. An epoch is whole, or not there (shipping.pml).
 *
 *	here			in the tree
 *	promote			stage_fence(), identity_adopt()
 *	let_in			check_generation()
 *	met			lineage_judge(), judge_target()
 *	give_up			resolve_keep_peer(), promotion_end()
 *	ship			publish_header()
 *
 * What must hold:
 *
 *	N1 never two primaries in one generation
 *	N2 what was told to be written at a site is never replaced by what lacks
 *	   it, unless an operator has given up what is at that site
 *
 *	check	WRITES=4 GENERATIONS=5
 *	soak	WRITES=5 GENERATIONS=7
 *
 * Each RULE_x is a sentence of the code's top comments; with one of them 0, one
 * of these is violated.
 */
#ifndef RULE_NEW	/* WRITES=2 GENERATIONS=3 */
#define RULE_NEW 1	/* a promotion makes a generation of its own (L3) */
#endif
#ifndef RULE_FENCE	/* WRITES=2 GENERATIONS=3 */
#define RULE_FENCE 1	/* who was a primary lets nobody in, and gets nothing,
			 * before it is given up (F1, L3) */
#endif
#ifndef RULE_CLOSED	/* WRITES=2 GENERATIONS=3 */
#define RULE_CLOSED 1	/* who is given up is closed before it is sent to */
#endif

#define BIT(n) (1 << (n))

byte nw, last_gen = 1;
byte gen[2] = 1;
short line[2];			/* the generations that it descends from */
bit primary[2], given_up[2];
bit fenced[2];			/* it was a primary, and was not given up */
bit met[2];			/* it knows that the other site is of another */
short data[2];			/* the writes that it has */
short told[2];			/* that were told to be written there */

#define descends(x, y) (line[x] & BIT(gen[y]))
#define let_in(s, t) (gen[s] == gen[t] || descends(s, t) || given_up[t])
#define is_open(t) (!fenced[t] || given_up[t] || !RULE_FENCE)

inline write(s) {
	atomic { primary[s] && nw < WRITES ->
		data[s] = data[s] | BIT(nw); told[s] = told[s] | BIT(nw);
		nw++ }
}

/* Of what is there, whatever the other site is doing. */
inline promote(s) {
	atomic { !primary[s] && !given_up[s] && last_gen < GENERATIONS ->
		if
		:: RULE_NEW -> last_gen++; line[s] = line[s] | BIT(gen[s]);
			gen[s] = last_gen
		:: else -> last_gen++	/* off */
		fi;
		primary[s] = 1; fenced[s] = 1; met[s] = 0;
		assert(!(primary[0] && primary[1] && gen[0] == gen[1])) }
}

/* The primary s reads the header of the other site, and stops. */
inline meet(s, t) {
	atomic { primary[s] && !met[s] && gen[s] != gen[t] &&
			descends(t, s) -> met[s] = 1 }
}

inline ship(s, t) {
	atomic { primary[s] && !met[s] && let_in(s, t) && is_open(t) &&
			(data[s] != data[t] || gen[s] != gen[t]) ->
		assert(!(told[t] & ~data[s]));			/* N2 */
		data[t] = data[s]; gen[t] = gen[s]; line[t] = line[s];
		told[t] = 0; given_up[t] = 0; fenced[t] = primary[t];
		assert(!(primary[0] && primary[1])) }		/* N1 */
}

/* An operator decides that what is there, at t, counts. */
inline give_up(s, t) {
	atomic { fenced[s] && !given_up[s] && primary[t] && gen[s] != gen[t] ->
		given_up[s] = 1; told[s] = 0; met[s] = 0;
		if
		:: RULE_CLOSED -> primary[s] = 0
		:: else		/* off */
		fi }
}

/* It looks at the other site once more. */
inline crash(s) {
	atomic { met[s] -> met[s] = 0 }
}

init {
	primary[0] = 1; fenced[0] = 1;
end:	do
	:: write(0)
	:: write(1)
	:: promote(0)
	:: promote(1)
	:: meet(0, 1)
	:: meet(1, 0)
	:: ship(0, 1)
	:: ship(1, 0)
	:: give_up(0, 1)
	:: give_up(1, 0)
	:: crash(0)
	:: crash(1)
	od
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A forced failover of a group of two: their records, and their fences in the
 * stage. replicad is killed between any two of what it makes durable. Member 0
 * leads the records; who is the first in the stage is another matter.
 *
 *	here			in the tree
 *	rec, note		promotion_save(), by note(); NONE: there is none
 *	file			NAME.fence, put_all()
 *	fenced			stage_fence_load()
 *	refuse			promotion_check_members(), drop_refused()
 *	mark			do_salvage(), do_mark()
 *	LEFT			do_leave(), stage_fence_finish()
 *	ask			promotion_make_records(); also of one alone
 *	start			find_place(), drop_orphan()
 *
 * What must hold:
 *
 *	G1 whenever the stage is opened, both are fenced, or none is
 *	G2 and no fence is without the other's, which would be damage
 *	G3 the log goes when what it has of both is marked, and has a copy
 *	G4 what was fenced is carried on: nothing is refused from then on, and
 *	   replicad, when it has started, has nothing half done left
 *	G5 a device is made when the stage has let both bases go
 *
 *	check	FAULTS=4
 *	soak	FAULTS=12
 *
 * Each RULE_x is a sentence of the code's top comments; with one of them 0, one
 * of these is violated.
 */
#ifndef RULE_FIRST_DECIDES	/* FAULTS=2 */
#define RULE_FIRST_DECIDES 1	/* the first member's fence decides (F5) */
#endif
#ifndef RULE_FIRST_LAST	/* FAULTS=2 */
#define RULE_FIRST_LAST 1	/* … and is written last (F5) */
#endif
#ifndef RULE_RECORD	/* FAULTS=2 */
#define RULE_RECORD 1	/* the records are durable before the fence (P1) */
#endif
#ifndef RULE_ONE_STEP	/* FAULTS=2 */
#define RULE_ONE_STEP 1	/* the leader's step is that of both (P7) */
#endif
#ifndef RULE_MEMBERS	/* FAULTS=2 */
#define RULE_MEMBERS 1	/* all that are in the group go, or none (P8) */
#endif

#define NONE 0		/* rec, next */
#define BEGUN 1
#define FENCED 2	/* file, too */
#define MARKED 3
#define LEFT 4		/* file, too */
#define ACTIVE 5

#define LEADER 0
#define FOLLOWER 1

#define DO1 0		/* at */
#define DO2 1
#define NOTE1 2
#define NOTE2 3

/* what is durable */
byte rec[2], file[2];
bit mark[2], in_group, first;	/* in_group: so the records say */

/* replicad */
bit up = 1, runs, goes[2];	/* who is in the run */
byte next, at, faults;

#define other (1 - first)
#define fenced(m) ((RULE_FIRST_DECIDES && file[first] != NONE) || \
		   (!RULE_FIRST_DECIDES && file[m] != NONE))
#define both (goes[0] && goes[1])

/* by whoever serves it, or has the run */
inline look() {
	assert(fenced(0) == fenced(1));				/* G1 */
	assert(file[first] == NONE || file[other] != NONE)	/* G2 */
}

inline go(a, c, step) {
	goes[0] = a; goes[1] = c; next = step; runs = 1;
	at = (next == BEGUN -> NOTE1 : DO1)
}

inline refuse() {
	assert(rec[0] <= BEGUN && rec[1] <= BEGUN && !fenced(0)); /* G4 */
	rec[0] = NONE; rec[1] = NONE; runs = 0
}

inline write_fence(m, how) {
	if :: file[m] < how -> file[m] = how :: else fi
}

inline do1() {
	if
	:: next == FENCED -> if
		:: RULE_FIRST_LAST -> write_fence(other, FENCED)
		:: else -> write_fence(first, FENCED)		/* off */
		fi
	:: next == MARKED -> mark[0] = mark[0] || goes[0]
	:: next == LEFT -> write_fence(other, LEFT)
	:: next == ACTIVE -> assert(file[0] == LEFT && file[1] == LEFT)	/* G5 */
	fi
}

inline do2() {
	if
	:: next == FENCED -> if
		:: RULE_FIRST_LAST -> write_fence(first, FENCED)
		:: else -> write_fence(other, FENCED)		/* off */
		fi
	:: next == MARKED -> mark[1] = mark[1] || goes[1]
	:: next == LEFT -> write_fence(first, LEFT);
		assert(mark[0] && mark[1])			/* G3 */
	:: next == ACTIVE -> skip
	fi
}

inline note(m) {
	if :: goes[m] && rec[m] < next -> rec[m] = next :: else fi
}

inline start() {
	if :: in_group && rec[LEADER] == NONE && rec[FOLLOWER] == BEGUN ->
		rec[FOLLOWER] = NONE				/* an orphan */
	:: else fi;
	look();
	if
	:: rec[LEADER] == NONE && rec[FOLLOWER] == NONE ->
		assert(!fenced(0))				/* G4 */
	:: RULE_ONE_STEP && in_group && rec[LEADER] != NONE &&
	   rec[LEADER] < ACTIVE -> go(1, rec[FOLLOWER] != NONE, rec[LEADER] + 1)
	:: (!RULE_ONE_STEP || !in_group) && rec[LEADER] != NONE &&
	   rec[LEADER] < ACTIVE -> go(1, 0, rec[LEADER] + 1)
	:: (!RULE_ONE_STEP || !in_group) && rec[FOLLOWER] != NONE &&
	   rec[FOLLOWER] < ACTIVE -> go(0, 1, rec[FOLLOWER] + 1)
	:: rec[LEADER] == ACTIVE -> assert(rec[FOLLOWER] == ACTIVE)	/* G4 */
	:: else -> assert(0)					/* G4 */
	fi
}

active proctype replicad() {
	atomic { if :: first = 0 :: first = 1 fi };
end:	do
	/* ask: for both, or for one that is not to be had alone */
	:: atomic { up && !runs && rec[0] == NONE && rec[1] == NONE ->
		if
		:: in_group = 1; go(1, 1, (RULE_RECORD -> BEGUN : FENCED))
		:: in_group = 0; go(1, 0, BEGUN)
		:: in_group = 0; go(0, 1, BEGUN)
		fi }
	/* the run */
	:: atomic { up && runs && at == DO1 -> look();
		if
		:: RULE_MEMBERS && !both && (next == FENCED || next == LEFT) ->
			refuse()
		:: else -> do1(); at = DO2
		fi }
	:: atomic { up && runs && at == DO2 -> do2(); at = NOTE1 }
	:: atomic { up && runs && at == NOTE1 -> note(FOLLOWER); at = NOTE2 }
	:: atomic { up && runs && at == NOTE2 -> note(LEADER); at = DO1;
		if
		:: next == ACTIVE -> runs = 0
		:: else -> next++
		fi }
	:: atomic { up && faults < FAULTS -> faults++; up = 0; runs = 0;
		goes[0] = 0; goes[1] = 0; at = DO1; next = NONE }
	:: atomic { !up -> up = 1; start() }
	od
}

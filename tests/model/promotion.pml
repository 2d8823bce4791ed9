/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A forced failover, the return of the old primary, and the way back.
 *
 * Site A writes and ships; site B stages, is promoted at some epoch, not always
 * the newest, and is killed or loses power at any moment. A goes on meanwhile,
 * or comes back later, is given up, and gets its data from B.
 *
 *	here			in the tree
 *	commit()		stage_epoch_commit(); an answer may be lost
 *	apply()			stage_apply_upto(), the applier
 *	FENCED … ACTIVE		promotion_run(), its steps[]
 *	fence			stage_fence(), NAME.fence
 *	salvage			do_salvage(), salvage_end()
 *	mark			do_mark(), metadata_file_end()
 *	leave			stage_fence_finish()
 *	resolve			resolve_keep_peer()
 *	back			judge_target(): JUDGE_RESYNC, with compare
 *
 * A chunk's content is the number of its last write. What must hold:
 *
 *	M1 nothing of A is committed at B when B has been promoted (P5)
 *	M2 the new primary begins with the image of its epoch, and says which
 *	M3 a chunk that differs between the sites is dirty at one of them (L2)
 *	M4 what either site drops has a copy, or is still to be dropped (L4)
 *	M5 a clean epoch of the way back is what B had at the cut
 *
 *	check	WRITES=3 WRITES_B=1 EPOCHS=3 CUTS=2
 *	soak	WRITES=4 WRITES_B=2 EPOCHS=3 CUTS=3
 *
 * CUTS are kills and power cuts of B.
 *
 * Each RULE_x is a sentence of the code's top comments; with one of them 0, one
 * of these is violated.
 */
#ifndef RULE_FENCE	/* WRITES=3 WRITES_B=1 EPOCHS=3 CUTS=2 */
#define RULE_FENCE 1	/* a fence is durable before anything is done by it */
#endif
#ifndef RULE_RECORD	/* WRITES=3 WRITES_B=1 EPOCHS=3 CUTS=2 */
#define RULE_RECORD 1	/* a promotion that was begun keeps its epoch */
#endif
#ifndef RULE_SALVAGE	/* WRITES=3 WRITES_B=1 EPOCHS=3 CUTS=2 */
#define RULE_SALVAGE 1	/* the salvage is durable before the log goes */
#endif
#ifndef RULE_MARK	/* WRITES=3 WRITES_B=1 EPOCHS=3 CUTS=2 */
#define RULE_MARK 1	/* what is above the epoch is marked before that */
#endif
#ifndef RULE_STILL	/* WRITES=3 WRITES_B=1 EPOCHS=3 CUTS=2 */
#define RULE_STILL 1	/* a fenced volume has no applier */
#endif
#ifndef RULE_CLAIM	/* WRITES=3 WRITES_B=1 EPOCHS=3 CUTS=2 */
#define RULE_CLAIM 1	/* nobody writes while the old primary is given up */
#endif
#ifndef RULE_COMPARE	/* WRITES=3 WRITES_B=1 EPOCHS=3 CUTS=2 */
#define RULE_COMPARE 1	/* the way back looks at every chunk */
#endif

#define NC 2
#define NONE 15
#define CLEAN 1
#define PARTIAL 2

#define BEGUN 1		/* steps, as noted in the record; 0: no promotion */
#define FENCED 2
#define SALVAGED 3
#define MARKED 4
#define APPLIED 5
#define LEFT 6
#define ACTIVE 7

/* A */
byte a[NC];			/* its device */
bit adirty[NC];
bit asalv[NC];			/* what resolve has kept of it … */
byte acopy[NC];			/* … and what that was */
bit given_up, claimed;
byte nw;			/* writes so far */

/* B: all that is durable but for what says otherwise */
byte rec[8];			/* log: [epoch * NC + chunk] */
byte kind[4];			/* of the epoch */
byte newest;			/* committed or kept */
byte base[NC], applied;
byte step, E;			/* the record; E of a fence counts more */
bit fence, fence_cached;	/* on disk; or only written */
byte fenceE;
bit salv[NC];
byte scopy[NC];
bit marked[NC];			/* on its metadata: dirty at the primary */
bit gone;			/* the log */
byte nb, cuts;

byte i, j, x;			/* in atomic sequences only */

/* Into x: chunk j as of epoch @e, with the partial ones at or below it. */
inline image(e) {
	x = base[j]; i = applied + 1;
	do
	:: i > e -> break
	:: else ->
		if :: kind[i] != 0 && rec[i * NC + j] != NONE ->
			x = rec[i * NC + j] :: else fi;
		i++
	od
}

inline newest_clean(e) {
	e = applied; i = applied + 1;
	do
	:: i > newest -> break
	:: else -> if :: kind[i] == CLEAN -> e = i :: else fi; i++
	od
}

/* Up to clean epoch @e. */
inline apply(e) {
	j = 0;
	do
	:: j == NC -> break
	:: else -> image(e); base[j] = x; j++
	od;
	applied = e
}

/* M3; asked when B is a primary. */
inline check_known() {
	j = 0;
	do
	:: j == NC -> break
	:: else -> assert(a[j] == base[j] || adirty[j] || marked[j]); j++
	od
}

/* An epoch of A, from its cut to the answer. */
active proctype site_a() {
	byte k;
end:	do
	:: atomic { nw < WRITES && !claimed && !given_up ->	/* a write */
		nw++; if :: j = 0 :: j = 1 fi;
		a[j] = nw; adirty[j] = 1; j = 0 }
	:: atomic { newest < EPOCHS && !given_up &&
		    !(fence || fence_cached) && (step < FENCED || !fence) ->
		if :: k = CLEAN :: k = PARTIAL fi;
		assert(step < LEFT);				/* M1 */
		assert(!gone);
		newest++; kind[newest] = k; j = 0;
		do
		:: j == NC -> break
		:: else -> rec[newest * NC + j] =
				(adirty[j] -> a[j] : NONE);
			j++
		od;
		if
		:: adirty[0] = 0; adirty[1] = 0		/* answered */
		:: skip					/* lost: dirty again */
		fi; j = 0; k = 0 }
	od
}

/* The steps of a promotion; whatever is not durable is lost in a cut. */
active proctype site_b() {
	byte e;
end:	do
	/* the applier, when epochs leave the history */
	:: atomic { !gone && step < LEFT &&
		    (!RULE_STILL || !(fence || fence_cached)) ->
		newest_clean(e);
		if :: e > applied -> apply(e) :: else fi; e = 0; i = 0; j = 0; x = 0 }
	/* an operator: at the newest, or at one before it */
	:: atomic { step == 0 && (newest > 0 || applied > 0) ->
		newest_clean(e);
		if :: e > 0 -> E = e; step = BEGUN :: else fi; i = 0; e = 0 }
	:: atomic { step == 0 && applied + 1 < newest &&
		    kind[applied + 1] == CLEAN ->
		E = applied + 1; step = BEGUN }
	:: atomic { step == BEGUN && !(fence || fence_cached) ->
		if
		:: E >= applied ->
			fenceE = E;
			if
			:: RULE_FENCE -> fence = 1
			:: else -> fence_cached = 1	/* off */
			fi;
			step = FENCED
		:: else -> step = 0	/* it has left the history: refused */
		fi }
	:: atomic { step == BEGUN && fence ->
		if :: RULE_RECORD -> E = fenceE :: else fi; step = FENCED }
	:: atomic { step == FENCED ->
		if :: RULE_SALVAGE -> j = 0;
			do
			:: j == NC -> break
			:: else -> image(newest); scopy[j] = x; salv[j] = 1; j++
			od
		:: else fi; step = SALVAGED; i = 0; j = 0; x = 0 }
	:: atomic { step == SALVAGED ->
		if :: RULE_MARK -> i = E + 1;
			do
			:: i > newest -> break
			:: else -> j = 0;
				do
				:: j == NC -> break
				:: else -> if :: rec[i * NC + j] != NONE ->
						marked[j] = 1 :: else fi; j++
				od; i++
			od
		:: else fi; step = MARKED; i = 0; j = 0 }
	:: atomic { step == MARKED ->
		if :: E > applied -> apply(E) :: else fi;
		step = APPLIED; i = 0; j = 0; x = 0 }
	:: atomic { step == APPLIED ->			/* M2, M4: the log goes */
		assert(applied == E && E == fenceE);
		j = 0;
		do
		:: j == NC -> break
		:: else -> image(newest);
			assert(x == base[j] || (salv[j] && scopy[j] == x)); j++
		od;
		gone = 1; step = LEFT;
		check_known(); i = 0; j = 0; x = 0 }
	:: atomic { step == LEFT -> step = ACTIVE }
	/* its application */
	:: atomic { step == ACTIVE && nb < WRITES_B && !given_up ->
		nb++; if :: j = 0 :: j = 1 fi;
		base[j] = 8 + nb; marked[j] = 1; check_known(); j = 0 }
	/* kill -9, power cut: a fence that was not synced is not there */
	:: atomic { cuts < CUTS && step > 0 && step < ACTIVE ->
		cuts++; fence_cached = 0;
		if
		:: step > BEGUN -> step = step - 1	/* done, not noted */
		:: skip
		fi;
		if
		:: !RULE_RECORD && !gone -> step = 0; E = 0	/* off */
		:: else
		fi;
		if :: gone && step < LEFT -> step = LEFT :: else fi }
	od
}

/* A is back: superseded, given up, and then the replica of B. */
active proctype way_back() {
	bit d[NC];
	atomic { step == ACTIVE -> claimed = RULE_CLAIM; d[0] = adirty[0];
		d[1] = adirty[1] }
	/* what is dirty is read … */
	atomic { if :: d[0] -> asalv[0] = 1; acopy[0] = a[0] :: else fi;
		if :: d[1] -> asalv[1] = 1; acopy[1] = a[1] :: else fi }
	/* … and then the target goes, and with it what it knows */
	atomic { given_up = 1;
		assert(!adirty[0] || (asalv[0] && acopy[0] == a[0]));	/* M4 */
		assert(!adirty[1] || (asalv[1] && acopy[1] == a[1]));
		adirty[0] = 0; adirty[1] = 0 }
	/* B ships; a clean epoch at A */
	atomic { if :: RULE_COMPARE || marked[0] -> a[0] = base[0] :: else fi;
		if :: RULE_COMPARE || marked[1] -> a[1] = base[1] :: else fi;
		marked[0] = 0; marked[1] = 0;
		assert(a[0] == base[0] && a[1] == base[1]) }		/* M5 */
}

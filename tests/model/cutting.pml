/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cut, preserve, read, release, end: one chunk of two sectors, each with a
 * writer, while the daemon cuts and ships, aborts at any step, and reads a
 * chunk twice.
 *
 *	here		in the tree
 *	gate		gate_of(), classify()
 *	mark		mark()
 *	admit		admit(), owes(), copy_held()
 *	copy		copy_read(), copy_read_done(), degrade()
 *	drop()		copy_drop()
 *	issue		dmr_io_issue(), dmr_io_end()
 *	cut		dmr_epoch_cut(), swap_gates(), start_drain()
 *	drain		device_drained(), dmr_preserve_drained()
 *	view		dmr_preserve_read_begin(), dmr_preserve_read_end()
 *	release		dmr_epoch_release(), dmr_preserve_released()
 *	abort, commit	dmr_epoch_end(), dmr_preserve_close(), end_device()
 *
 * A sector's content is the number of its last write; the next one is submitted
 * when that has completed. What must hold:
 *
 *	X1 what a clean epoch shows of the chunk is what the writes left that
 *	   were classified before the cut, and nothing later (P1)
 *	X2 a chunk that differs from the target's, without a write under way, is
 *	   dirty or frozen (P3)
 *	X3 nobody waits for ever
 *
 *	check	WRITES=2 EPOCHS=3 ABORTS=2
 *	soak	WRITES=3 EPOCHS=3 ABORTS=3
 *
 * Each RULE_x is a sentence of kmod/'s top comments; with one of them 0, one of
 * these is violated.
 */
#ifndef RULE_GATE	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_GATE 1	/* E2, I1: no marker works with the old gate any more */
#endif
#ifndef RULE_TAG	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_TAG 1	/* K1: a write preserves for the epoch that it met */
#endif
#ifndef RULE_COPY	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_COPY 1	/* P3: a write to a held chunk waits for its copy */
#endif
#ifndef RULE_RECHECK	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_RECHECK 1	/* K2: a view read looks for copies when it is back */
#endif
#ifndef RULE_IDLE	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_IDLE 1	/* K3: no cut before the last one's writes are through */
#endif
#ifndef RULE_DRAIN	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_DRAIN 1	/* K3: FROZEN follows the last write of the epoch */
#endif
#ifndef RULE_ONCE	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_ONCE 1	/* K4: a released chunk is not read again */
#endif
#ifndef RULE_ORPHAN	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_ORPHAN 1	/* K5: a copy under way belongs to its epoch only */
#endif
#ifndef RULE_LATER	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_LATER 1	/* K7: no copy before the epoch's writes are through */
#endif
#ifndef RULE_REPLY	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_REPLY 1	/* the last RELEASE says whether the epoch is clean */
#endif
#ifndef RULE_ABORT	/* WRITES=2 EPOCHS=2 ABORTS=1 */
#define RULE_ABORT 1	/* E4: what an abort takes out of frozen is dirty */
#endif

#define NONE 0		/* a copy */
#define READING 1
#define DONE 2

byte disk[2], target[2], copied[2];
byte sub[2], atcut[2];		/* classified last: now; when it was cut */
bit set[2];			/* the slots' sets: is the chunk in? */
byte inflight[2], marking;
bit parity, hold;
byte gate_epoch, epoch;		/* of the gate; that is open */
bit clean, drained, released, isopen;
byte copy, copy_nr;		/* its state; orphans have an old number */
byte ne, na;

#define FROZEN_SET	set[1 - parity]
#define HELD		(isopen && FROZEN_SET && !released)
#define OWES(t)		(clean && epoch && (epoch == t || !RULE_TAG))

inline drop() {
	if
	:: copy == READING && !RULE_ORPHAN
	:: else -> copy = NONE; copy_nr = 1 - copy_nr; copied[0] = 0; copied[1] = 0
	fi
}

inline close() {
	epoch = 0; gate_epoch = 0; clean = 0; isopen = 0; drained = 0;
	released = 0; drop()
}

proctype writer(bit s) {
	byte v, tag, nr, t[2]; bit p, need;
	v = 1;
	do
	:: v > WRITES -> break
	:: else ->
		atomic { !hold -> p = parity; tag = gate_epoch; marking++ }
		atomic {		/* mark */
			inflight[p]++; set[p] = 1; sub[s] = v; marking--;
			need = RULE_COPY && clean && tag && set[1 - p] &&
			       !released
		}
		do
		:: atomic { !need || !OWES(tag) || !HELD -> break }
		:: atomic { need && OWES(tag) && HELD &&
			    (drained || !RULE_LATER) && copy == DONE -> break }
		/* copy */
		:: atomic { need && OWES(tag) && HELD &&
			    (drained || !RULE_LATER) && copy == NONE ->
			copy = READING; nr = copy_nr }
			t[0] = disk[0]; t[1] = disk[1];
			atomic {
				if
				:: nr == copy_nr && copy == READING ->
					copied[0] = t[0]; copied[1] = t[1];
					copy = DONE
				:: else
				fi; t[0] = 0; t[1] = 0; nr = 0 }
		/* no memory */
		:: atomic { need && OWES(tag) && HELD &&
			    (drained || !RULE_LATER) && copy == NONE ->
			clean = 0; drop() }
		od;
		atomic {		/* issue, completion */
			disk[s] = v; inflight[p]--; v++;
			tag = 0; need = 0; p = 0 }
	od
}

active proctype daemon() {
	byte img[2]; bit had, isclean, twice;
	atomic { run writer(0); run writer(1) }
end:	do
	:: atomic { ne < EPOCHS && set[parity] &&
		    (!RULE_IDLE || inflight[1 - parity] == 0) ->
		hold = RULE_GATE; ne++ }
		if :: RULE_GATE -> marking == 0 :: else fi;
		atomic {		/* cut */
			epoch = ne; gate_epoch = ne; isopen = 1; released = 0;
			if :: clean = 1 :: clean = 0 fi;
			atcut[0] = sub[0]; atcut[1] = sub[1];
			parity = 1 - parity; hold = 0 }
		if
		:: !RULE_DRAIN || inflight[1 - parity] == 0
		:: na < ABORTS -> goto abort
		fi;
		atomic { drained = 1; isclean = clean; twice = 0 }
view:		atomic { had = (copy != NONE) };
		img[0] = disk[0]; img[1] = disk[1];
		atomic {
			if
			:: RULE_ONCE && released && clean -> goto abort
			:: else
			fi;
			if
			:: copy == DONE && (had || RULE_RECHECK) ->
				img[0] = copied[0]; img[1] = copied[1]
			:: else
			fi; had = 0 }
		/* release */
		atomic { released = 1; drop();
			if :: RULE_REPLY -> isclean = clean :: else fi }
		if
		:: na < ABORTS -> goto abort
		:: !twice && na < ABORTS -> twice = 1; goto view
		:: skip
		fi;
		atomic {		/* commit; X1 */
			assert(!isclean || (img[0] == atcut[0] &&
					    img[1] == atcut[1]));
			target[0] = img[0]; target[1] = img[1];
			FROZEN_SET = 0; close(); goto idle }
abort:		atomic { na++;
			if :: RULE_ABORT && FROZEN_SET -> set[parity] = 1
			   :: else fi;
			FROZEN_SET = 0; close() }
idle:		atomic { img[0] = 0; img[1] = 0; isclean = 0; twice = 0; had = 0;
			atcut[0] = 0; atcut[1] = 0 }
	/* X2 */
	:: atomic { inflight[0] + inflight[1] + marking == 0 &&
		    !set[0] && !set[1] &&
		    (disk[0] != target[0] || disk[1] != target[1]) ->
		assert(false) }
	od
}

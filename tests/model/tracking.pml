/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a primary remembers across power cuts: one region of two chunks.
 *
 * An application writes; the cooler makes the bits on disk exact; the daemon
 * cuts, ships and ends epochs, a part of one at times; the power goes at any
 * step, and with it what the origin's cache has not written; the target is set
 * back to how it began; somebody writes the origin while we are not there.
 *
 *	here		in the tree
 *	heat		dmr_heat_work(), heat(), settle()
 *	range		dmr_range_work(), set_range()
 *	classify	mark(), dmr_io_end()
 *	cooler()	one_step(), pick_victims(), pick_todo()
 *	flush		flush_origin()
 *	sets		rewrite_region(), spare_region()
 *	cover		cover_drops(), dmr_super_write()
 *	cold		make_cold(), dmr_hot_write()
 *	judge		judge_target(), dmr_epoch_mark()
 *	cut		dmr_epoch_cut(), group_drained()
 *	end		dmr_epoch_end(), end_device(), dmr_meta_dropping()
 *	shut		dmr_meta_quiesce()
 *	load()		dmr_meta_activate(), heat_all_again()
 *
 * A chunk's content is the number of its last write. What must hold:
 *
 *	T1 a chunk that differs from what the target's next commit would leave
 *	   is dirty or frozen, whenever a daemon has judged the target (P3)
 *	T2 after a crash of its own a primary knows the incarnation that the
 *	   target names (W5 is for those that were rolled back)
 *	T3 the witness is right after a power cut: no false suspicion
 *
 *	check	WRITES=2 EPOCHS=2 CUTS=1 BACKS=1 OTHERS=1
 *	check	WRITES=1 EPOCHS=1 CUTS=2 BACKS=1 OTHERS=1
 *	soak	WRITES=2 EPOCHS=2 CUTS=2 BACKS=1 OTHERS=1
 *
 * CUTS are power cuts and shutdowns, BACKS the times that the target is set
 * back, OTHERS the writes by somebody else.
 *
 * Each RULE_x is a sentence of kmod/'s or daemon/'s top comments; with one of
 * them 0, one of these is violated.
 */
#ifndef RULE_HOT	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_HOT 1	/* D1: hot on disk before a write is issued */
#endif
#ifndef RULE_ORDER	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_ORDER 1	/* D2: chunk bits are durable before the hot bit goes */
#endif
#ifndef RULE_IDLE	/* WRITES=2 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_IDLE 1	/* D2: what was pinned meanwhile stays hot */
#endif
#ifndef RULE_FLUSH	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_FLUSH 1	/* D2, D3: the origin is flushed before a 0 is written */
#endif
#ifndef RULE_NAME	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=1 OTHERS=0 */
#define RULE_NAME 1	/* D3: the superblock names the epoch before that */
#endif
#ifndef RULE_KEEP	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=1 OTHERS=0 */
#define RULE_KEEP 1	/* D3: a kept epoch is named too */
#endif
#ifndef RULE_FROZEN	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_FROZEN 1	/* D2: bits are dirty and frozen chunks, not dirty only */
#endif
#ifndef RULE_SPARE	/* WRITES=2 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_SPARE 1	/* C4: a cold region with a range gets ones */
#endif
#ifndef RULE_RANGE	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_RANGE 1	/* H5: a range's bits are durable before it is issued */
#endif
#ifndef RULE_MARK	/* WRITES=1 EPOCHS=2 CUTS=1 BACKS=1 OTHERS=0 */
#define RULE_MARK 1	/* D4, U2: a mark is durable before the next cut */
#endif
#ifndef RULE_BEHIND	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=1 OTHERS=0 */
#define RULE_BEHIND 1	/* J2: a target that is behind gets everything */
#endif
#ifndef RULE_CLEAN	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_CLEAN 1	/* D5: the origin is flushed before CLEAN */
#endif
#ifndef RULE_UNCLEAN	/* WRITES=1 EPOCHS=0 CUTS=2 BACKS=0 OTHERS=0 */
#define RULE_UNCLEAN 1	/* S3: CLEAN is gone before the first write */
#endif
#ifndef RULE_WITNESS	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=1 */
#define RULE_WITNESS 1	/* S5: another content than the witness: suspect */
#endif
#ifndef RULE_LOAD	/* WRITES=1 EPOCHS=1 CUTS=1 BACKS=0 OTHERS=0 */
#define RULE_LOAD 1	/* D6: an incarnation is durable before its first cut */
#endif

#define NC 2
#define OTHER 7

/* the origin: as it is read, and as a power cut leaves it */
byte val[NC], dur[NC];
/* in memory */
bit dirty[NC], frozen[NC], released[NC];
bit hot, used, hotbit, todo, marked;	/* hotbit: the bitmap, T1 in hot.c */
byte pins;
byte inflight[2];
bit parity;
byte committed, inc;
bit unflushed, unnamed;		/* chunks left the sets since the last one */
bit settled;			/* a setting waits for the superblock */
bit chunk_lock;
bit open, judged;
/* the metadata device */
bit dhot, dbit[NC], dclean;
byte dcommitted, dknown;	/* incarnations, a bit each */
byte dwitness[NC];
/* the target: what its next commit leaves, its newest epoch, who wrote it */
byte rep[NC], tepoch, tinc;

byte nw, ne, ncuts, nbacks, nothers, ninc;
bit again[3];			/* a process begins anew */

#define UNKNOWN(c)	(val[c] != rep[c] && !dirty[c] && !frozen[c])

inline flush_now() {
	dur[0] = val[0]; dur[1] = val[1]; unflushed = 0
}

inline super_now() {
	dcommitted = committed; dknown = dknown | (1 << inc); dclean = 0;
	unnamed = 0; settled = 0
}

inline mark_all() {
	dirty[0] = 1; dirty[1] = 1; todo = 1; marked = 1
}

/* What is in memory goes; the metadata is read. */
inline load() {
	again[0] = 1; again[1] = 1; again[2] = 1;
	dirty[0] = dbit[0] || dhot; dirty[1] = dbit[1] || dhot;
	frozen[0] = 0; frozen[1] = 0; released[0] = 0; released[1] = 0;
	hot = dhot; hotbit = dhot; used = 0; todo = 0; marked = 0; pins = 0;
	inflight[0] = 0; inflight[1] = 0; parity = 0; chunk_lock = 0;
	open = 0; judged = 0; committed = dcommitted;
	unflushed = 0; unnamed = 0;
	if
	:: dclean && (dwitness[0] != val[0] || dwitness[1] != val[1]) ->
		assert(val[0] == OTHER || val[1] == OTHER);	/* T3 */
		if :: RULE_WITNESS -> mark_all() :: else fi
	:: else
	fi;
	ninc++; inc = ninc; settled = 1;
	if :: RULE_UNCLEAN -> dclean = 0 :: else fi;
	if :: RULE_LOAD -> dknown = dknown | (1 << inc) :: else fi;
	if :: RULE_LOAD && RULE_UNCLEAN -> settled = 0 :: else fi;
	if	/* what is suspect is on disk before the load has ended */
	:: marked -> dbit[0] = 1; dbit[1] = 1; marked = 0
	:: else
	fi
}

init {
	atomic {
		ninc = 0; inc = 0; dknown = 1;
		run app(); run cooler(); run daemon(); run fate()
	}
}

proctype app() {
	byte c; bit slot, range;
end:	do
	:: { endin: do
	:: atomic { nw < WRITES && !range && c == 0 && hot ->
		pins++; used = 1; c = 1 }
	/* heat */
	:: atomic { nw < WRITES && c == 0 && !hot ->
		hot = 1; hotbit = 1;
		if :: RULE_HOT -> dhot = 1 :: else fi;
		pins++; used = 1; c = 1 }
	/* range: pinned without being hot */
	:: atomic { nw < WRITES && c == 0 -> pins++; used = 1; c = 3; range = 1 }
	:: atomic { c == 3 && !chunk_lock ->
		if :: RULE_RANGE -> dbit[0] = 1; dbit[1] = 1 :: else fi; c = 4 }
	/* classify */
	:: atomic { (c == 1 || c == 4) ->
		slot = parity; inflight[slot]++; nw++;
		if
		:: range -> dirty[0] = 1; dirty[1] = 1; c = 7
		:: !range -> dirty[0] = 1; c = 5
		:: !range -> dirty[1] = 1; c = 6
		fi }
	/* issue, completion */
	:: atomic { c > 4 ->
		if :: c != 6 -> val[0] = nw :: else fi;
		if :: c != 5 -> val[1] = nw :: else fi;
		inflight[slot]--; pins--; c = 0; slot = 0; range = 0 }
	od } unless { atomic { again[0] -> again[0] = 0; c = 0; slot = 0;
				range = 0 } }
	od
}

proctype cooler() {
	bit victim, m, b[NC], z[NC];
end:	do
	:: { endin: do
	:: atomic { hot && used && pins == 0 -> used = 0 }
	:: atomic { settled -> settled = 0;		/* off */
		dknown = dknown | (1 << inc); dclean = 0 }	/* off */
	:: atomic { (hot && !used && pins == 0) || todo ->
		m = marked;
		if
		:: hot && !used && pins == 0 -> victim = 1
		:: todo && !hot -> victim = 0
		:: todo && hot -> todo = 0; m = 0; marked = 0; goto done
		fi;
		todo = 0;
		if :: !hot && pins == 0 -> used = 0 :: else fi;
		chunk_lock = 1 }
	if :: !RULE_ORDER && victim ->
		atomic { if :: hot && !used && pins == 0 ->	/* off */
				hot = 0; hotbit = 0; dhot = 0	/* off */
			 :: else fi }				/* off */
	:: else
	fi;
	atomic { if :: RULE_FLUSH -> flush_now() :: else fi }
	/* sets */
	atomic {
		b[0] = dirty[0] || (RULE_FROZEN && frozen[0]);
		b[1] = dirty[1] || (RULE_FROZEN && frozen[1]) }
	atomic {
		if :: RULE_SPARE && !hot && (pins > 0 || used) ->
			b[0] = 1; b[1] = 1; todo = 1
		:: else
		fi }
	/* cover */
	atomic { if :: unflushed && RULE_FLUSH -> flush_now()
		 :: else fi }
	atomic { if :: unnamed && RULE_NAME -> super_now() :: else fi }
	atomic { dbit[0] = b[0]; dbit[1] = b[1]; chunk_lock = 0;
		b[0] = 0; b[1] = 0 }
	/* cold */
	atomic {
		if
		:: victim && hot && pins == 0 && !used ->
			hot = 0; hotbit = 0
		:: victim && hot && !RULE_IDLE ->	/* off */
			hot = 0; hotbit = 0		/* off */
		:: else
		fi; victim = 0 }
	atomic { dhot = hotbit; if :: m -> marked = 0; m = 0 :: else fi }
done:	skip
	od } unless { atomic { again[1] -> again[1] = 0; victim = 0; m = 0;
				b[0] = 0; b[1] = 0 } }
	od
}

proctype daemon() {
	byte e, img[NC];
end:	do
	:: { endin: do
	/* judge */
	:: atomic { !judged ->
		assert(dknown & (1 << tinc));			/* T2 */
		if :: tepoch < committed && RULE_BEHIND ->
			mark_all()
		:: else
		fi;
		judged = 1 }
	/* cut */
	:: atomic { judged && (dirty[0] || dirty[1]) && ne < EPOCHS &&
		    (!marked || !RULE_MARK) && inflight[1 - parity] == 0 ->
		ne++; e = ne; open = 1; parity = 1 - parity;
		frozen[0] = dirty[0]; frozen[1] = dirty[1];
		dirty[0] = 0; dirty[1] = 0; tinc = inc }
	inflight[1 - parity] == 0;
	atomic { if :: frozen[0] -> released[0] = 1; img[0] = val[0]
		 :: else fi }
	if
	:: atomic { frozen[1] -> released[1] = 1; img[1] = val[1] }
	:: !frozen[1] || released[0]
	fi;
	/* a commit, clean or partial, and its answer, which may be lost */
	atomic { tepoch = e;
		if :: released[0] -> rep[0] = img[0] :: else fi;
		if :: released[1] -> rep[1] = img[1] :: else fi }
	/* end */
	atomic {
		if
		:: dirty[0] = dirty[0] || (frozen[0] && !released[0]);
			dirty[1] = dirty[1] || (frozen[1] && !released[1]);
			if
			:: RULE_KEEP || (frozen[0] == released[0] &&
					 frozen[1] == released[1]) ->
				committed = e
			:: else
			fi;
			unflushed = 1; unnamed = 1; todo = 1
		:: dirty[0] = dirty[0] || frozen[0];
			dirty[1] = dirty[1] || frozen[1]; judged = 0
		fi;
		frozen[0] = 0; frozen[1] = 0; released[0] = 0; released[1] = 0;
		open = 0; e = 0; img[0] = 0; img[1] = 0 }
	od } unless { atomic { again[2] -> again[2] = 0; e = 0; img[0] = 0;
				img[1] = 0 } }
	od
}

proctype fate() {
end:	do
	:: atomic { dur[0] != val[0] -> dur[0] = val[0] }
	:: atomic { dur[1] != val[1] -> dur[1] = val[1] }
	:: atomic { ncuts < CUTS -> ncuts++;
		if
		:: val[0] = dur[0]; val[1] = dur[1]
		/* shut */
		:: pins == 0 && !hot && !dhot && !todo && !marked && !open &&
		   !chunk_lock ->
			if :: RULE_CLEAN -> flush_now() :: else fi;
			super_now(); dclean = 1;
			dwitness[0] = val[0]; dwitness[1] = val[1];
			if :: val[0] = dur[0]; val[1] = dur[1] :: skip fi;
			if
			:: nothers < OTHERS -> nothers++; val[0] = OTHER;
				dur[0] = OTHER
			:: skip
			fi
		fi;
		load() }
	:: atomic { nbacks < BACKS && !open && tepoch > 0 ->
		nbacks++; tepoch = 0; tinc = 0; rep[0] = 0; rep[1] = 0;
		judged = 0 }
	/* T1 */
	:: atomic { judged && (UNKNOWN(0) || UNKNOWN(1)) -> assert(false) }
	od
}

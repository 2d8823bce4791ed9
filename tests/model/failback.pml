/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The way back: the site that has taken over, B, ships to a new stage at A,
 * whose base is the device that A had as a primary.
 *
 * What is on that device is anything: A wrote there after they went apart, it
 * was given up, and from the moment when it was disabled until its stage has it,
 * anybody may have written there. The stage may be lost, and made anew; or come
 * back as it was before. replicad at B is killed, B loses power. A second
 * divergence is one more such device, and one more such stage.
 *
 *	here			in the tree
 *	connect			judge_target(): J2
 *	mark			begin_resync(), compare_all()
 *	settle			continuity_is_settled(): U2
 *	cut, send, commit	ship_start(), start_pump(), commit_all()
 *	SUM			stage_get_sums()
 *	keep			dmr_epoch_end(): the superblock counts kept ones
 *	forget			cover_drops(): D3
 *	make			stage_create_volume()
 *
 * A chunk's content is a number; what A wrote alone is 14. What must hold:
 *
 *	B1 a clean epoch at A is what B had at the cut, in every chunk
 *	B2 a chunk that differs from A's newest image is dirty at B, or will be
 *	   when it connects
 *
 *	check	WRITES=1 EPOCHS=3 CUTS=2 STAGES=2
 *	soak	WRITES=2 EPOCHS=4 CUTS=2 STAGES=2
 *
 * RULE_ALL is why nothing is asked for but everything: with it 0, B marks what A
 * says was dirty when it was given up, and what B has written itself.
 */
#ifndef RULE_BEHIND	/* WRITES=1 EPOCHS=2 CUTS=0 STAGES=1 */
#define RULE_BEHIND 1	/* a target behind what was forgotten gets all */
#endif
#ifndef RULE_ALL	/* WRITES=1 EPOCHS=2 CUTS=0 STAGES=1 */
#define RULE_ALL 1	/* … all, and not what A says that it had */
#endif
#ifndef RULE_DURABLE	/* WRITES=1 EPOCHS=3 CUTS=2 STAGES=1 */
#define RULE_DURABLE 1	/* no epoch is cut before a mark is durable */
#endif
#ifndef RULE_KEPT	/* WRITES=1 EPOCHS=3 CUTS=2 STAGES=2 */
#define RULE_KEPT 1	/* a kept epoch counts as a committed one does */
#endif
#ifndef RULE_NAMED	/* WRITES=1 EPOCHS=3 CUTS=2 STAGES=2 */
#define RULE_NAMED 1	/* bits go from the disk with the epoch's number */
#endif
#ifndef RULE_SUM	/* WRITES=2 EPOCHS=3 CUTS=0 STAGES=1 */
#define RULE_SUM 1	/* a digest is of what the next commit would leave */
#endif

#define NC 2
#define NONE 15
#define ALONE 14

/* A: its device, and the stage on it */
byte a[NC];			/* the image; before the first clean epoch, what
				 * is on the device */
byte part[NC];			/* durable, but in no image yet */
byte rec[NC];			/* of the open epoch */
bit reported[NC];		/* what was dirty when A was given up */
bit is_there, has_header;
byte clean, partial;		/* newest epochs; 0: none */
byte stages;

/* … as it was once */
byte old_a[NC], old_part[NC], old_clean, old_partial;
bit has_old;

/* B: its device, the map in the kernel and on its metadata device */
byte b[NC];
bit dirty[NC], frozen[NC], on_disk[NC];
bit pending;			/* a mark is not on disk */
byte last, last_on_disk;	/* committed or kept */
byte seen, nw, cuts;

/* replicad at B */
bit is_ready, is_clean;
byte epoch;			/* 0: none is open */
byte snap[NC];			/* what the view has: as at the cut */
bit sent[NC];

byte j;				/* in atomic sequences only */

#define SUM(c)	(RULE_SUM && part[c] != NONE -> part[c] : a[c])
#define NEWEST	(clean > partial -> clean : partial)
#define each(c, what)	c = 0; do :: c == NC -> break :: else -> what; c++ od; \
			c = 0

inline judge() {
	if
	:: !has_header || (RULE_BEHIND && NEWEST < last) ->
		each(j, dirty[j] = dirty[j] || (RULE_BEHIND &&
						(RULE_ALL || reported[j])));
		pending = 1
	:: else
	fi
}

/* The kernel sees its owner go. */
inline abort_epoch() {
	each(j, dirty[j] = dirty[j] || frozen[j]; frozen[j] = 0; sent[j] = 0;
	     rec[j] = NONE);
	epoch = 0; is_ready = 0
}

inline check_image() {			/* B1 */
	each(j, assert(a[j] == snap[j]))
}

inline check_known() {			/* B2 */
	if
	:: is_there && has_header && clean && NEWEST >= last ->
		each(j, assert(SUM(j) == b[j] || dirty[j] || frozen[j]))
	:: else
	fi
}

active proctype site_a() {
	/* A wrote alone, or did not: that is known … */
	atomic { if :: a[0] = ALONE; reported[0] = 1 :: a[0] = 1 fi; a[1] = 1;
		part[0] = NONE; part[1] = NONE; rec[0] = NONE; rec[1] = NONE }
	/* … and what is done to the plain device is not */
	if :: a[1] = ALONE :: skip fi;
end:	do
	/* a stage, for the first time, or anew, on that device or another */
	:: atomic { !is_ready && stages < STAGES ->
		if
		:: stages == 0
		:: stages > 0 -> a[0] = ALONE
		:: stages > 0 -> a[1] = ALONE
		fi;
		stages++; is_there = 1; has_header = 0; clean = 0; partial = 0;
		part[0] = NONE; part[1] = NONE }
	/* a copy of it is made, and comes back */
	:: atomic { is_there && has_header && !is_ready && !has_old && NEWEST ->
		has_old = 1; each(j, old_a[j] = a[j]; old_part[j] = part[j]);
		old_clean = clean; old_partial = partial }
	:: atomic { has_old && !is_ready && STAGES > 1 ->
		each(j, a[j] = old_a[j]; part[j] = old_part[j]);
		clean = old_clean; partial = old_partial; has_header = 1 }
	od
}

active proctype site_b() {
	/* promoted as of epoch 1; what was above it is marked, or there was
	 * nothing */
	atomic { is_there -> b[0] = 1; b[1] = 1; last = 1; last_on_disk = 1;
		seen = 1; if :: dirty[0] = 1; on_disk[0] = 1 :: skip fi }
end:	do
	/* its application */
	:: atomic { nw < WRITES ->
		nw++; if :: j = 0 :: j = 1 fi;
		on_disk[j] = 1; dirty[j] = 1;
		if :: b[j] = 1 + nw :: b[j] = 1 fi;	/* as it was once */
		j = 0 }
	:: atomic { is_there && !is_ready && epoch == 0 ->	/* connect */
		judge(); has_header = 1; is_ready = 1; check_known() }
	:: atomic { pending ->					/* settle */
		each(j, on_disk[j] = on_disk[j] || dirty[j] || frozen[j]);
		pending = 0 }
	:: atomic { is_ready && epoch == 0 && seen < EPOCHS &&	/* cut */
		    (!pending || !RULE_DURABLE) && (dirty[0] || dirty[1]) ->
		seen++; epoch = seen;
		each(j, frozen[j] = dirty[j]; dirty[j] = 0; snap[j] = b[j]);
		if :: is_clean = 1 :: is_clean = 0 fi }
	/* a chunk: held if it is clean, else as it is now */
	:: atomic { epoch != 0 && (frozen[0] > sent[0] || frozen[1] > sent[1]) ->
		if :: frozen[0] && !sent[0] -> j = 0
		:: frozen[1] && !sent[1] -> j = 1
		fi;
		if
		:: SUM(j) != (is_clean -> snap[j] : b[j]) ->
			rec[j] = (is_clean -> snap[j] : b[j])
		:: else			/* it has that already */
		fi;
		sent[j] = 1; j = 0 }
	:: atomic { epoch != 0 && is_clean && frozen[0] == sent[0] &&
		    frozen[1] == sent[1] ->
		each(j, a[j] = (rec[j] != NONE -> rec[j] :
				(part[j] != NONE -> part[j] : a[j]));
		     part[j] = NONE; rec[j] = NONE);
		clean = epoch;
		check_image();
		if
		:: each(j, frozen[j] = 0; sent[j] = 0);		/* answered */
			last = epoch; epoch = 0; check_known()
		:: cuts < CUTS -> cuts++; abort_epoch()		/* killed */
		fi }
	:: atomic { epoch != 0 && !is_clean && (sent[0] || sent[1]) -> /* keep */
		each(j, part[j] = (rec[j] != NONE -> rec[j] : part[j]);
		     rec[j] = NONE);
		partial = epoch;
		if
		:: each(j, dirty[j] = dirty[j] || (frozen[j] && !sent[j]);
			frozen[j] = 0; sent[j] = 0);
			if :: RULE_KEPT -> last = epoch :: else fi; epoch = 0
		:: cuts < CUTS -> cuts++; abort_epoch()
		fi }
	:: atomic { !pending && last_on_disk < last ->		/* forget */
		if :: RULE_NAMED -> last_on_disk = last :: else fi;
		each(j, on_disk[j] = dirty[j] || frozen[j]) }
	/* the link breaks, or kill -9; or a power cut */
	:: atomic { is_ready && cuts < CUTS -> cuts++; abort_epoch();
		if
		:: each(j, dirty[j] = on_disk[j]); pending = 0;
			last = last_on_disk
		:: skip
		fi }
	od
}

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sessions, epochs and commits: a primary ships two chunks to a stage.
 *
 * Any answer may be lost, and a request of a connection that broke may run
 * later; the daemon and the stage are killed, both machines lose power, the
 * primary is set back to a snapshot (origin and metadata, also of this load),
 * the target to an older copy; at some time the other site is promoted.
 *
 *	here		in the tree
 *	hello		take_hello(), begin_session(), stage_epoch_drop()
 *	judge		judge_target(), knows(), judge_named(), lost_data()
 *	resolve		ship_resolve(), is_committed_at()
 *	cut		try_cut(), dmr_epoch_cut()
 *	open		take_open(), stage_epoch_open()
 *	take_data()	stage_session_check()
 *	take_commit()	take_commit(), check_commit()
 *	publish()	stage_epoch_commit(), write_commit(), publish()
 *	end_epoch()	finish_commit(), dmr_epoch_end()
 *	killed, power	stage_group_recover(), is_whole(), confirm_tail()
 *	promote		stage_fence(), check_generation()
 *
 * A snapshot is found out only when the target has been told more than it
 * knows: of an incarnation, or that the superblock has named a later epoch. A
 * header says that some seconds after an epoch has ended; until then the model
 * does not go back to one.
 *
 * A chunk's content is the number of its last write. What must hold:
 *
 *	Y1 the image that is shown is the primary's at a cut, the newest one
 *	   that was answered, or newer (P1, P4)
 *	Y2 when a target was judged and is not refused, a chunk that differs from
 *	   what its next commit would leave is dirty (P3)
 *	Y3 nothing is committed for a primary after the other site took over (P5)
 *
 *	check	WRITES=2 EPOCHS=2 CONNS=3 FAULTS=1
 *	soak	WRITES=2 EPOCHS=2 CONNS=3 FAULTS=2
 *
 * Each RULE_x is a sentence of daemon/'s or lib/'s top comments; with one of
 * them 0, one of these is violated.
 */
#ifndef RULE_FENCE	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=0 */
#define RULE_FENCE 1	/* W1: a hello shuts older sessions out */
#endif
#ifndef RULE_DOUBT	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=1 */
#define RULE_DOUBT 1	/* W3: the header says how an epoch in doubt ended */
#endif
#ifndef RULE_AFTER	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=0 */
#define RULE_AFTER 1	/* E2: a commit leaves after all replies are in */
#endif
#ifndef RULE_SHORT	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=0 */
#define RULE_SHORT 1	/* E3: clean only if all that was frozen was sent */
#endif
#ifndef RULE_FUZZY	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=0 */
#define RULE_FUZZY 1	/* E3: … and only if the cut was */
#endif
#ifndef RULE_PARTIAL	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=0 */
#define RULE_PARTIAL 1	/* S1: what is partial is not shown */
#endif
#ifndef RULE_ABORT	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=0 */
#define RULE_ABORT 1	/* S2: an abort drops the open epoch only */
#endif
#ifndef RULE_COUNT	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=1 */
#define RULE_COUNT 1	/* S3: a commit without all its data does not count */
#endif
#ifndef RULE_SYNC	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=0 */
#define RULE_SYNC 1	/* S3: a commit is answered after its sync */
#endif
#ifndef RULE_RECOVER	/* WRITES=2 EPOCHS=2 CONNS=3 FAULTS=2 */
#define RULE_RECOVER 1	/* S3: recovery syncs before it reports an epoch */
#endif
#ifndef RULE_BEHIND	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=1 */
#define RULE_BEHIND 1	/* W5, J2: a target that is behind gets everything */
#endif
#ifndef RULE_KNOWN	/* WRITES=2 EPOCHS=2 CONNS=3 FAULTS=2 */
#define RULE_KNOWN 1	/* W5, J4: an incarnation that is unknown is refused */
#endif
#ifndef RULE_NAMED	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=1 */
#define RULE_NAMED 1	/* W5, J6: so is what was named and is not any more */
#endif
#ifndef RULE_GENERATION	/* WRITES=2 EPOCHS=2 CONNS=2 FAULTS=0 */
#define RULE_GENERATION 1 /* P5: an older generation is refused */
#endif

#define NONE 15
#define CLEAN 1
#define PARTIAL 2
#define DATA 3		/* what may be late: that, or a commit of a kind */

/* the primary: all but the connection is as if durable, see tracking.pml */
byte a[2], snap[2];		/* its content: now; at the cut */
bit dirty[2], frozen[2], sent[2];
byte epoch, last, seen, inc, known;	/* epoch: open; 0: none */
bit fuzzy, asked, kind_asked;	/* a commit was asked for; a clean one? */
byte session;			/* 0: no connection */
bit judged, refused;
byte old_a[2], old_last, old_known, old_seen;	/* a snapshot */
bit old_dirty[2], has_old;

/* the stage: what is shown; what the next commit begins with; what is open */
byte shown[2], kept[2], data[2];
byte eclean, epartial, eopen, eseen, newest, hinc, hnamed;
byte syncing;			/* the kind */
bit promoted;
/* … and what of that is on its disk */
byte dshown[2], dkept[2], declean, departial, deseen, dhinc, dhnamed;
byte answered;			/* the newest clean one that END named */

/* a request of a connection that broke */
byte late, late_epoch, late_value, late_session; bit late_chunk;

byte nw, nconns, nfaults;

#define GONE (session == 0)
#define MAX(x, y) (x > y -> x : y)

inline reset_open() {
	eopen = 0; data[0] = NONE; data[1] = NONE; syncing = 0
}

inline persist() {
	dshown[0] = shown[0]; dshown[1] = shown[1];
	dkept[0] = kept[0]; dkept[1] = kept[1];
	declean = eclean; departial = epartial; deseen = eseen;
	dhinc = hinc; dhnamed = hnamed
}

/* The open epoch becomes part of what is kept, or of the image. */
inline publish(k) {
	assert(!promoted);					/* Y3 */
	if :: data[0] != NONE -> kept[0] = data[0] :: else fi;
	if :: data[1] != NONE -> kept[1] = data[1] :: else fi;
	if
	:: k == CLEAN -> eclean = eopen
	:: else -> epartial = eopen
	fi;
	if
	:: k == CLEAN || !RULE_PARTIAL ->
		shown[0] = kept[0]; shown[1] = kept[1];
		assert(shown[0] == snap[0] && shown[1] == snap[1]) /* Y1 */
	:: else
	fi;
	reset_open()
}

inline abort_epoch() {
	dirty[0] = dirty[0] || frozen[0]; dirty[1] = dirty[1] || frozen[1];
	frozen[0] = 0; frozen[1] = 0; sent[0] = 0; sent[1] = 0;
	epoch = 0; asked = 0
}

inline end_epoch() {
	dirty[0] = dirty[0] || (frozen[0] && !sent[0]);
	dirty[1] = dirty[1] || (frozen[1] && !sent[1]);
	frozen[0] = 0; frozen[1] = 0; sent[0] = 0; sent[1] = 0;
	last = epoch; epoch = 0; asked = 0;
	if :: kind_asked -> answered = last :: else fi;
	if :: session != 0 -> hnamed = last; dhnamed = last :: else fi
}

inline take_data(s, chunk, v) {
	if
	:: (!RULE_FENCE || s == newest) && eopen != 0 && !syncing &&
	   (!RULE_GENERATION || !promoted) -> data[chunk] = v
	:: else
	fi
}

inline take_commit(s, e, k) {
	if
	:: (!RULE_FENCE || s == newest) && eopen == e && !syncing &&
	   (!RULE_GENERATION || !promoted) -> syncing = k
	:: else
	fi
}

/* A connection ends; what it had asked for last may still come. */
inline lose(t, e, c, v) {
	if
	:: late == 0 -> late = t; late_epoch = e; late_chunk = c;
		late_value = v; late_session = session
	:: true
	fi;
	session = 0; judged = 0
}

active proctype primary() {
	byte k, c;
	atomic { inc = 1; known = 3; data[0] = NONE; data[1] = NONE;
		hinc = 0; dhinc = 0 }
end_connect:
	atomic {	/* hello */
		nconns < CONNS && !refused -> nconns++; session = nconns;
		judged = 0; k = 0; c = 0;
		if
		:: RULE_GENERATION && promoted -> refused = 1; goto over
		:: else
		fi;
		newest = session;
		if :: !syncing && eopen ->
			if :: !RULE_ABORT -> kept[0] = shown[0];	/* off */
				kept[1] = shown[1]			/* off */
			:: else fi;
			reset_open()
		:: else fi }
	if
	:: !syncing
	:: GONE -> goto end_connect
	fi;
	atomic {	/* judge */
		if :: GONE -> goto end_connect :: else fi;
		if
		:: RULE_KNOWN && !(known & (1 << hinc)) ->
			refused = 1; goto over
		:: RULE_NAMED && hnamed > last && hnamed > 0 ->
			refused = 1; goto over
		:: else
		fi;
		if		/* resolve */
		:: epoch && asked && !RULE_DOUBT -> end_epoch()		/* off */
		:: epoch && asked && RULE_DOUBT &&
		   ((kind_asked && eclean == epoch) ||
		    (!kind_asked && epartial == epoch)) -> end_epoch()
		:: else -> abort_epoch()
		fi;
		if
		:: RULE_BEHIND && MAX(eclean, epartial) < last ->
			dirty[0] = 1; dirty[1] = 1
		:: else
		fi;
		assert(a[0] == kept[0] || dirty[0]);		/* Y2 */
		assert(a[1] == kept[1] || dirty[1]);
		hinc = inc; hnamed = last; dhinc = inc; dhnamed = last;
		judged = 1 }
end_again:
	atomic {	/* cut */
		if
		:: GONE -> goto end_connect
		:: !GONE && (dirty[0] || dirty[1]) &&
		   MAX(seen, eseen) < EPOCHS ->
			epoch = MAX(seen, eseen) + 1; seen = epoch;
			frozen[0] = dirty[0]; frozen[1] = dirty[1];
			dirty[0] = 0; dirty[1] = 0;
			snap[0] = a[0]; snap[1] = a[1];
			if :: fuzzy = 0 :: fuzzy = 1 fi
		fi }
	atomic {	/* open */
		if :: GONE -> goto end_connect :: else fi;
		if :: RULE_GENERATION && promoted -> refused = 1; goto over
		:: else fi;
		if :: eopen -> reset_open() :: else fi;
		eopen = epoch; eseen = epoch; deseen = epoch;
		if :: true :: session = 0; judged = 0; goto end_connect fi }
	c = 0;
	do
	:: c == 2 -> break
	:: c < 2 && !frozen[c] -> c++
	:: c == 1 && frozen[1] && sent[0] -> break	/* a window: partial */
	:: atomic { c < 2 && frozen[c] ->
		if :: GONE -> goto end_connect :: else fi;
		k = (fuzzy -> a[c] : snap[c]);
		if
		:: true -> take_data(session, c, k); sent[c] = 1
		:: true -> take_data(session, c, k); session = 0; judged = 0;
			goto end_connect
		:: true -> lose(DATA, 0, c, k); goto end_connect
		:: !RULE_AFTER && late == 0 -> late = DATA;	/* off */
			late_chunk = c; late_value = k;		/* off */
			late_session = session; sent[c] = 1	/* off */
		fi; c++; k = 0 }
	od;
	atomic {	/* commit */
		if :: GONE -> goto end_connect :: else fi;
		kind_asked = ((!fuzzy || !RULE_FUZZY) &&
			      (!RULE_SHORT || (sent[0] == frozen[0] &&
					       sent[1] == frozen[1])));
		asked = 1; k = (kind_asked -> CLEAN : PARTIAL); c = 0;
		if
		:: true -> take_commit(session, epoch, k)
		:: true -> lose(k, epoch, 0, 0); goto end_connect
		fi; k = 0 }
	atomic {	/* the answer */
		if
		:: GONE -> goto end_connect
		:: !GONE -> session = 0; judged = 0; goto end_connect
		:: !GONE && !RULE_SYNC && syncing -> end_epoch(); goto end_again	/* off */
		:: !GONE && !syncing && MAX(eclean, epartial) == epoch ->
			end_epoch(); goto end_again
		:: !GONE && !syncing && MAX(eclean, epartial) != epoch ->
			abort_epoch(); goto end_again
		fi }
over:	skip
}

active proctype app() {
end:	do
	:: atomic { nw < WRITES -> nw++;
		if
		:: a[0] = nw; dirty[0] = 1
		:: a[1] = nw; dirty[1] = 1
		fi }
	od
}

active proctype stage() {
end:	do
	:: atomic { late == DATA && !syncing ->
		take_data(late_session, late_chunk, late_value);
		late = 0; late_chunk = 0; late_value = 0; late_session = 0 }
	:: atomic { late != 0 && late != DATA && !syncing ->
		take_commit(late_session, late_epoch, late);
		late = 0; late_epoch = 0; late_session = 0 }
	:: atomic { syncing -> publish(syncing); persist() }
	:: atomic { !promoted && eclean > 0 && !syncing -> promoted = 1;
		if :: RULE_GENERATION -> reset_open() :: else fi }
	od
}

active proctype fate() {
	bit whole;
end:	do
	/* the stage is killed: its files are as they were written */
	:: atomic { nfaults < FAULTS && !promoted -> nfaults++;
		if
		:: syncing -> publish(syncing);
			if :: RULE_RECOVER -> persist() :: else fi
		:: else
		fi;
		reset_open(); late = 0; late_epoch = 0; late_chunk = 0;
		late_value = 0; late_session = 0; session = 0; judged = 0 }
	/* its machine loses power: of what was not synced, any part is there */
	:: atomic { nfaults < FAULTS && !promoted -> nfaults++;
		whole = 1;
		shown[0] = dshown[0]; shown[1] = dshown[1];
		kept[0] = dkept[0]; kept[1] = dkept[1];
		eclean = declean; epartial = departial;
		eseen = MAX(deseen, MAX(eclean, epartial));
		hinc = dhinc; hnamed = dhnamed;
		if
		:: syncing && (data[0] != NONE || data[1] != NONE) ->
			if
			:: true			/* nothing */
			:: publish(syncing); persist()
			:: whole = 0
			fi
		:: else
		fi;
		if
		:: !whole && !RULE_COUNT ->			/* off */
			data[0] = NONE; publish(syncing); persist() /* off */
		:: else
		fi;
		reset_open(); late = 0; late_epoch = 0; late_chunk = 0;
		late_value = 0; late_session = 0; session = 0; judged = 0;
		assert(eclean >= answered);			/* Y1 */
		whole = 0 }
	/* the daemon is killed; or, with a new incarnation, the primary */
	:: atomic { nfaults < FAULTS -> nfaults++;
		if :: epoch -> abort_epoch() :: else fi;
		session = 0; judged = 0;
		if :: inc++; known = known | (1 << inc) :: skip fi }
	/* a snapshot of the primary, and back to it */
	:: atomic { FAULTS && !has_old && !epoch -> has_old = 1;
		old_a[0] = a[0]; old_a[1] = a[1];
		old_dirty[0] = dirty[0]; old_dirty[1] = dirty[1];
		old_last = last; old_known = known; old_seen = seen }
	:: atomic { nfaults < FAULTS && has_old && !epoch &&
		    (hnamed > old_last || !(old_known & (1 << hinc))) ->
		nfaults++;
		a[0] = old_a[0]; a[1] = old_a[1];
		dirty[0] = old_dirty[0]; dirty[1] = old_dirty[1];
		last = old_last; seen = old_seen;
		inc++; known = old_known | (1 << inc);
		session = 0; judged = 0 }
	/* the target is set back to how it began */
	:: atomic { nfaults < FAULTS && !syncing && !promoted -> nfaults++;
		shown[0] = 0; shown[1] = 0; kept[0] = 0; kept[1] = 0;
		eclean = 0; epartial = 0; hinc = 0; hnamed = 0; answered = 0;
		persist(); reset_open(); late = 0; late_epoch = 0;
		late_chunk = 0; late_value = 0; late_session = 0;
		session = 0; judged = 0 }
	od
}

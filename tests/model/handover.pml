/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A planned failover, at the primary, below a program that goes on writing.
 *
 * One writer, with one write under way at a time; replicad, which ships epochs,
 * is asked to hand over, may call it off, and is killed; the machine crashes.
 * The volume has a metadata device.
 *
 *	here			in the tree
 *	hold			giving_up_hold(); it may end at any moment (K6)
 *	note			"given_up" in NAME.id, identity_note_given_up()
 *	SETTLED, CLOSED		giving_up_begin(); the role
 *	pending			the superblock has not got the role yet
 *	seen			giving_up_is_durable(): as GET said last
 *	look			resolve_look(), check_settled()
 *	DONE			giving_up_finish()
 *	undo, reopening		giving_up_undo(), giving_up_look()
 *	start			giving_up_adopt()
 *
 * What must hold:
 *
 *	H1 when it is handed over, what the writer was told is at the other site,
 *	   and it is told nothing more
 *	H2 a replicad that has started, and finds nothing noted, finds the volume
 *	   open: what was called off, or interrupted, goes on as the primary
 *
 *	check	WRITES=4 FAULTS=3
 *	soak	WRITES=7 FAULTS=5
 *
 * Each RULE_x is a sentence of the code's top comments; with one of them 0, one
 * of these is violated.
 */
#ifndef RULE_LAST_LOOK	/* WRITES=3 FAULTS=2 */
#define RULE_LAST_LOOK 1	/* it is looked at after the role is set (V1) */
#endif
#ifndef RULE_NOTE	/* WRITES=3 FAULTS=2 */
#define RULE_NOTE 1	/* "begun" is noted before the role is set (V3) */
#endif
#ifndef RULE_TAKEN_BACK	/* WRITES=3 FAULTS=2 */
#define RULE_TAKEN_BACK 1	/* … and until it is durably taken back (V3) */
#endif
#ifndef RULE_FRESH	/* WRITES=3 FAULTS=2 */
#define RULE_FRESH 1	/* by a GET after the role was set (V3) */
#endif
#ifndef RULE_DURABLE	/* WRITES=3 FAULTS=2 */
#define RULE_DURABLE 1	/* "done" is noted when the role is durable (V4) */
#endif
#ifndef RULE_CLOSED	/* WRITES=3 FAULTS=2 */
#define RULE_CLOSED 1	/* the role stays when it is handed over (V4) */
#endif

#define NO 0		/* note */
#define BEGUN 1
#define DONE 2

#define IDLE 0		/* step of the verb */
#define HELD 1
#define SETTLED 2
#define CLOSED 3
#define NOTED 4

/* the kernel, and what is durable */
byte nw, acked, disk;		/* numbers of writes */
bit under_way, dirty, epoch;
byte snapshot;			/* of the disk, at the cut */
bit is_open = 1, disk_open = 1, pending, hold;
byte note;

byte at_b;			/* committed at the other site */
bit handed_over;		/* and it may be promoted */

/* replicad */
bit up = 1, reopening;
byte step, faults;
bit seen;

inline set_open(how) {
	if :: is_open != how -> is_open = how; pending = 1 :: else fi;
	if :: RULE_FRESH -> seen = 1 :: else fi
}

inline stop_process() {
	up = 0; hold = 0; step = IDLE; reopening = 0;
	if :: epoch -> epoch = 0; dirty = 1 :: else fi
}

active proctype writer() {
end:	do
	:: atomic { !under_way && is_open && !hold && nw < WRITES ->
		nw++; under_way = 1; dirty = 1 }
	:: atomic { under_way -> under_way = 0; disk = nw; acked = nw;
		assert(!handed_over || acked <= at_b) }		/* H1 */
	od
}

active proctype kernel() {
end:	do
	:: atomic { pending -> disk_open = is_open; pending = 0 }
	:: atomic { hold -> hold = 0 }
	:: atomic { faults < FAULTS && up -> faults++; stop_process() }
	:: atomic { faults < FAULTS -> faults++; stop_process();
		under_way = 0; is_open = disk_open; pending = 0 }
	od
}

active proctype replicad() {
end:	do
	/* epochs: the frozen set is final when what was marked is on the disk */
	:: atomic { up && !epoch && dirty && !under_way ->
		epoch = 1; dirty = 0; snapshot = disk }
	:: atomic { up && epoch -> epoch = 0;
		if :: at_b = snapshot :: dirty = 1 fi }
	:: atomic { up && seen != pending -> seen = pending }	/* GET */
	/* the verb */
	:: atomic { up && step == IDLE && note != DONE -> hold = 1;
		reopening = 0; step = HELD }
	:: atomic { up && step == HELD && !dirty && !epoch ->
		if :: RULE_NOTE -> note = BEGUN :: else fi; step = SETTLED }
	:: atomic { up && step == SETTLED && !epoch -> set_open(0);
		step = CLOSED }
	:: atomic { up && step == CLOSED &&			/* look */
		    (!RULE_LAST_LOOK || (!dirty && !epoch)) &&
		    (!RULE_DURABLE || !pending) -> note = DONE;
		step = NOTED }
	:: atomic { up && note == DONE && !handed_over -> handed_over = 1;
		hold = 0;
		if :: RULE_CLOSED -> skip :: else -> set_open(1) /* off */ fi;
		assert(acked <= at_b) }				/* H1 */
	/* called off; the kernel refuses a role while an epoch is open */
	:: atomic { up && step >= HELD && step <= CLOSED && !epoch -> hold = 0;
		step = IDLE; set_open(1); reopening = (note == BEGUN) }
	:: atomic { up && reopening && (!RULE_TAKEN_BACK || !seen) ->
		note = NO; reopening = 0 }
	/* the next process */
	:: atomic { !up -> up = 1;
		if
		:: note == DONE -> set_open(0)
		:: note == BEGUN -> set_open(1); reopening = 1
		:: note == NO -> assert(is_open)		/* H2 */
		fi }
	od
}

/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault points, for tests only: with DMR_FAULT=1 on the make line they are
 * module parameters; else every one is a constant and costs nothing.
 *
 * Switches take a rule away, so that a test can show that it notices:
 *   fault_no_preserve	held chunks are overwritten without a copy
 *   fault_no_drain	FROZEN does not wait for the writes of the epoch (K3)
 *   fault_no_gate	a cut publishes the new state without the hold
 *   fault_split_group	a group is cut device by device
 *   fault_no_own	a deferred write preserves for any open epoch (K1)
 *   fault_no_recheck	a view read trusts what the device gave it (K2)
 *   fault_no_once	released chunks can be read again (K4)
 *   fault_no_intent	a region is hot and its bit is not (D1)
 *   fault_late_intent	its bit is written after the write was issued (D1)
 *   fault_early_cool	its hot bit is cleared before its chunk bits (D2)
 *   fault_no_flush	the origin is not flushed for it (D2, D3, D5)
 *   fault_no_name	bits are cleared before the superblock is written (D3)
 *   fault_no_spare	bits of a range that comes meanwhile are cleared (C4)
 *   fault_no_range	a range is issued without its chunk bits
 *   fault_no_incarnation	activation does not write the superblock (D6)
 *   fault_race		the marker counts in a plain variable
 * Delays, in microseconds, make windows wide enough to be hit. One of 20 ms or
 * more is over as soon as it is set to 0: a test opens the window, does all
 * that is to happen in it, and closes it.
 *   fault_mark_us	marker: between reading the state and setting bits
 *   fault_park_us	a parked write: before it is classified again
 *   fault_preserve_us	before the old content is read
 *   fault_copied_us	it has been read, the write has not been issued
 *   fault_wake_us	a deferred write: before it looks again
 *   fault_view_us	a view read has come back, before it looks again
 *   fault_split_us	between two devices of a split cut
 *   fault_heat_us	before hot bits are written
 *   fault_rewrite_us	chunk bits were taken from the sets, not yet written
 *   fault_cool_us	chunk bits are durable, the hot bits not yet cleared
 *   fault_super_us	before the superblock is written
 * Failures, of every n-th:
 *   fault_no_mem	allocation for a copy
 *   fault_fail_copy	read of a held chunk's old content (EIO)
 *   fault_fail_intent	write of hot bits (EIO)
 *   fault_fail_super	write of a superblock (EIO)
 *   fault_fail_flush	flush of the origin by the cooler (EIO)
 *   fault_lose_reply	reply to a command that has taken effect (ENOMEM)
 *   fault_lose_event	event
 */
#ifndef DMR_FAULT_H
#define DMR_FAULT_H

#include <linux/atomic.h>
#include <linux/bug.h>
#include <linux/types.h>

#ifdef DMR_FAULT

extern bool fault_no_preserve, fault_no_drain, fault_no_gate;
extern bool fault_split_group, fault_no_own, fault_no_recheck, fault_no_once;
extern bool fault_no_intent, fault_no_flush, fault_no_name, fault_no_spare;
extern bool fault_no_range, fault_early_cool, fault_no_incarnation;
extern bool fault_late_intent, fault_race;
extern unsigned int fault_heat_us, fault_rewrite_us, fault_cool_us;
extern unsigned int fault_super_us;
extern unsigned int fault_mark_us, fault_park_us, fault_preserve_us;
extern unsigned int fault_copied_us, fault_wake_us, fault_view_us;
extern unsigned int fault_split_us, fault_no_mem, fault_fail_copy;
extern unsigned int fault_fail_intent, fault_fail_super, fault_fail_flush;
extern unsigned int fault_lose_reply, fault_lose_event;

#define dmr_fault(name)		unlikely(READ_ONCE(fault_##name))

/* Process context: *us, or until *us is 0. */
void dmr_fault_sleep(const unsigned int *us);
/* Any context. */
void dmr_fault_spin(unsigned int us);
/* Any context: adds to *calls; true for every n-th call. */
bool dmr_fault_nth(atomic_t *calls, unsigned int n);
/* Any context: a data race, on purpose, among all who call it. */
void dmr_fault_race(void);

#define dmr_fault_delay(name)	dmr_fault_sleep(&fault_##name##_us)
#define dmr_fault_busy(name)	dmr_fault_spin(READ_ONCE(fault_##name##_us))

/* A place of its own has its own count. */
#define dmr_fault_every(name) ({					\
	static atomic_t calls;						\
	dmr_fault_nth(&calls, READ_ONCE(fault_##name)); })

/* Any rule is switched off: then it may well be violated. */
bool dmr_fault_any(void);

#else

#define dmr_fault(name)		false
#define dmr_fault_delay(name)	do { } while (0)
#define dmr_fault_busy(name)	do { } while (0)
#define dmr_fault_race()	do { } while (0)
#define dmr_fault_every(name)	false
#define dmr_fault_any()		false

#endif

/* An invariant: says so once where it does not hold, and goes on. */
#define dmr_assert(cond)						\
	((void)WARN_ON_ONCE(!(cond) && !dmr_fault_any()))

#endif

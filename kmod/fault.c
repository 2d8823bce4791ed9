// SPDX-License-Identifier: GPL-2.0
/* Fault points, see fault.h. Compiled in only with DMR_FAULT=1. */
#include "fault.h"

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/module.h>

#define SWITCH(name)							\
	bool name;							\
	module_param(name, bool, 0600)

#define NUMBER(name)							\
	unsigned int name;						\
	module_param(name, uint, 0600)

SWITCH(fault_no_preserve);
SWITCH(fault_no_drain);
SWITCH(fault_no_gate);
SWITCH(fault_split_group);
SWITCH(fault_no_own);
SWITCH(fault_no_recheck);
SWITCH(fault_no_once);
SWITCH(fault_no_intent);
SWITCH(fault_no_flush);
SWITCH(fault_no_name);
SWITCH(fault_no_spare);
SWITCH(fault_no_range);
SWITCH(fault_late_intent);
SWITCH(fault_early_cool);
SWITCH(fault_no_incarnation);
SWITCH(fault_race);
NUMBER(fault_heat_us);
NUMBER(fault_rewrite_us);
NUMBER(fault_cool_us);
NUMBER(fault_super_us);
NUMBER(fault_mark_us);
NUMBER(fault_park_us);
NUMBER(fault_preserve_us);
NUMBER(fault_copied_us);
NUMBER(fault_wake_us);
NUMBER(fault_view_us);
NUMBER(fault_split_us);
NUMBER(fault_no_mem);
NUMBER(fault_fail_copy);
NUMBER(fault_fail_intent);
NUMBER(fault_fail_super);
NUMBER(fault_fail_flush);
NUMBER(fault_lose_reply);
NUMBER(fault_lose_event);

void dmr_fault_sleep(const unsigned int *us)
{
	unsigned int length = READ_ONCE(*us);
	ktime_t end = ktime_add_us(ktime_get(), length);

	if (length && length < 20000)
		usleep_range(length, length + length / 4 + 1);
	while (length >= 20000 && READ_ONCE(*us) &&
	       ktime_before(ktime_get(), end))
		msleep(20);
}

void dmr_fault_spin(unsigned int us)
{
	for (; us >= 1000; us -= 1000)
		mdelay(1);
	if (us)
		udelay(us);
}

void dmr_fault_race(void)
{
	static unsigned int count;
	int i;

	/* KCSAN looks at one access in some thousand, and two must meet. */
	for (i = 0; i < 1000; i++) {
		count++;
		barrier();
	}
}

bool dmr_fault_nth(atomic_t *calls, unsigned int n)
{
	return n && !((unsigned int)atomic_inc_return(calls) % n);
}

bool dmr_fault_any(void)
{
	return fault_no_preserve || fault_no_drain || fault_no_gate ||
	       fault_split_group || fault_no_own || fault_no_recheck ||
	       fault_no_once || fault_no_intent || fault_no_flush ||
	       fault_no_name || fault_no_spare || fault_no_range ||
	       fault_late_intent || fault_early_cool || fault_no_incarnation;
}

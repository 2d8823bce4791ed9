/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's fault injection for one task: the n-th thing of all those that
 * may fail (memory by slab and by page, bios to disks with make-it-fail) does.
 * Only what the calling thread's own system calls do is counted.
 */
#ifndef TESTS_FAIL_INJECT_H
#define TESTS_FAIL_INJECT_H

#include <stdbool.h>

/*
 * Opens the switches and sets them: allocations that may wait count too, and
 * what is injected is not told in the kernel's log. -ENOENT: this kernel has no
 * fault injection.
 */
int inject_open(void);
/* From now on; n from 1. */
void inject_arm(unsigned int n);
/* True: the n-th was reached, and has failed. */
bool inject_disarm(void);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of dmr-ctl that do I/O, and its background children. Each takes
 * its words (NULL at the end) and returns 0 or -errno.
 */
#ifndef TESTS_DMR_CTL_IO_H
#define TESTS_DMR_CTL_IO_H

/* PATH SECTOR COUNT VALUE: O_DIRECT; every byte gets VALUE (0..255). */
int ctl_write(char **word);
/* The same, with REQ_NOWAIT; -EAGAIN is the kernel's answer "not now". */
int ctl_write_nowait(char **word);
/* The same, durable when it returns (FUA or a flush). */
int ctl_write_durable(char **word);
/* PATH SECTOR COUNT VALUE: -EILSEQ if any byte differs from VALUE. */
int ctl_read(char **word);
/* PATH SECTOR COUNT: BLKDISCARD, BLKZEROOUT. */
int ctl_discard(char **word);
int ctl_zero(char **word);
/* PATH: flush. */
int ctl_flush(char **word);
/* PATH: waits until requests are under way in that block device. */
int ctl_busy(char **word);
/* FILE TEXT */
int ctl_put(char **word);
/* A shell command. -ECANCELED if it fails. */
int ctl_run(char **word);

/* Runs fn(word) in a child. */
int ctl_start(int (*fn)(char **word), char **word);
/* [MS]: the oldest child ends in time, with success. -ETIMEDOUT if not. */
int ctl_finish(char **word);
/* [MS]: the oldest child still runs after that time. -ECHILD if not. */
int ctl_running(char **word);

#endif

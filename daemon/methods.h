/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For those who answer requests: methods.c has the table of all. */
#ifndef REPLICAD_METHODS_H
#define REPLICAD_METHODS_H

struct request;

/* What replicactl exits with (DESIGN.md 8) for this -errno. */
int method_exit_status(int err);

/* methods-history.c */
void do_history(struct request *request);
void do_test(struct request *request);
void do_test_list(struct request *request);
void do_test_drop(struct request *request);

#endif

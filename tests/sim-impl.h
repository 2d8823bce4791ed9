/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of the simulated kernel share. Not for others. */
#ifndef REPLICA_SIM_IMPL_H
#define REPLICA_SIM_IMPL_H

#include "sim-kernel.h"

/* The folder's lock; held for all that follows. */
int sim_lock(void);
void sim_unlock(int *fd);
#define LOCKED __attribute__((cleanup(sim_unlock), unused)) \
	int locked = sim_lock()

/* The path of a volume's file; in one of two static buffers. */
const char *sim_path(const char *name, const char *suffix);
struct sim_volume *sim_map_file(const char *name);
struct sim_volume *sim_find(const char *name);
/* Its file is another one from now on; what was mapped stays mapped. */
void sim_forget(const char *name);

/* To the owner … */
void sim_send(struct sim_volume *v, uint32_t type);
/* … and to everybody who listens. */
void sim_send_request(struct sim_volume *v, const char *text);
void sim_count(struct sim_volume *v);
void sim_end_one(struct sim_volume *v, enum dmr_end how);
/* What the kernel does when the owner's socket closes. */
void sim_notice_death(struct sim_volume *v);
bool sim_is_held(const struct sim_volume *v);		/* K6 */

/* sim-hands.c: a new load, after a crash; and who has it open. */
void sim_load(struct sim_volume *v);
int sim_check_out(const struct kernel_form *form,
		  char error[KERNEL_ERROR_SIZE]);

/* sim-grow.c */
void sim_load_larger(struct sim_volume *v);	/* if its device is larger */
void sim_fit_view(struct sim_volume *v);
int sim_extend(const struct kernel_form *form, uint64_t *now,
	       char error[KERNEL_ERROR_SIZE]);

/*
 * sim-promote.c: a device above an origin that is a file, which is its image
 * then: is it still to be made? sim_take_base() takes the lock itself.
 */
bool sim_is_new_base(const struct kernel_form *form);
int sim_take_base(const struct kernel_form *form,
		  char error[KERNEL_ERROR_SIZE]);
int sim_activate(const struct kernel_promoted *p,
		 char error[KERNEL_ERROR_SIZE]);
int sim_deactivate(const char *name, char error[KERNEL_ERROR_SIZE]);
bool sim_is_private_base(const char *base);
int sim_nr_opens(const char *name, char error[KERNEL_ERROR_SIZE]);
void sim_note_step(const char *step);

/* sim-meta.c */
bool sim_is_kept(const struct sim_volume *v);
void sim_meta_keep(struct sim_volume *v);	/* formats it, if it is not */
void sim_meta_load(struct sim_volume *v);
void sim_add_incarnation(struct dmr_info *info);
void sim_meta_ended(struct sim_volume *v, enum dmr_end how);
void sim_meta_changed(struct sim_volume *v);	/* MARK, SET */
void sim_meta_looked(struct sim_volume *v);	/* GET */

#endif

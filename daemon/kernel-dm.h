/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What kernel_netlink_ops has of device-mapper; see kernel.h. */
#ifndef REPLICAD_KERNEL_DM_H
#define REPLICAD_KERNEL_DM_H

#include "kernel.h"

int kernel_dm_is_plain(const struct kernel_form *form,
		       char error[KERNEL_ERROR_SIZE]);
int kernel_dm_insert(const struct kernel_form *form, struct kernel_device *out,
		     char error[KERNEL_ERROR_SIZE]);
int kernel_dm_extend(const struct kernel_form *form, uint64_t *bytes,
		     char error[KERNEL_ERROR_SIZE]);
int kernel_dm_check_out(const struct kernel_form *form,
			char error[KERNEL_ERROR_SIZE]);
int kernel_dm_take_out(const struct kernel_form *form,
		       char error[KERNEL_ERROR_SIZE]);
int kernel_dm_activate(const struct kernel_promoted *p,
		       char error[KERNEL_ERROR_SIZE]);
int kernel_dm_deactivate(const char *name, char error[KERNEL_ERROR_SIZE]);
bool kernel_dm_is_private_base(const char *base);
int kernel_dm_nr_opens(const char *name, char error[KERNEL_ERROR_SIZE]);

#endif

/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How "replicactl kernel" shows what the kernel says, for people or as JSON. */
#ifndef REPLICACTL_KERNEL_PRINT_H
#define REPLICACTL_KERNEL_PRINT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "netlink.h"

void kernel_info_print(const struct dmr_info *info, bool is_json);
void kernel_event_print(const struct dmr_nl_event *ev, bool is_json);

/* e NULL: all of it. */
void kernel_marked_print(const struct dmr_info *info,
			 const struct dmr_extent *e, bool is_json);
void kernel_held_print(const struct dmr_info *info, bool is_json);
void kernel_meta_size_print(uint64_t bytes, bool is_json);

/* Collects devices; kernel_list_add is a dmr_info_fn. */
struct kernel_list;
struct kernel_list *kernel_list_create(void);
void kernel_list_destroy(struct kernel_list *list);
int kernel_list_add(void *list, const struct dmr_info *info);
void kernel_list_print(const struct kernel_list *list, bool is_json);

/* Prints extents as they come; kernel_extents_add is a dmr_extents_fn. */
struct kernel_extents {
	bool is_json;
	uint64_t chunk_bytes, volume_bytes;
	uint64_t nr, bytes;		/* so far */
};

void kernel_extents_begin(struct kernel_extents *x);
int kernel_extents_add(void *x, const struct dmr_extent *v, size_t nr);
void kernel_extents_end(struct kernel_extents *x);

#endif

/* SPDX-License-Identifier: GPL-2.0 */
/* Tracepoints, in /sys/kernel/tracing/events/dm_replica. */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM dm_replica

#if !defined(DMR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define DMR_TRACE_H

#include <linux/tracepoint.h>

/* An epoch of a group was cut; pause: how long its writes were held. */
TRACE_EVENT(dmr_cut,
	TP_PROTO(u64 group, u64 epoch, bool clean, u64 pause_ns),
	TP_ARGS(group, epoch, clean, pause_ns),
	TP_STRUCT__entry(
		__field(u64, group)
		__field(u64, epoch)
		__field(bool, clean)
		__field(u64, pause_ns)
	),
	TP_fast_assign(
		__entry->group = group;
		__entry->epoch = epoch;
		__entry->clean = clean;
		__entry->pause_ns = pause_ns;
	),
	TP_printk("group %llu epoch %llu %s pause %llu ns", __entry->group,
		  __entry->epoch, __entry->clean ? "clean" : "fuzzy",
		  __entry->pause_ns)
);

/* All writes of the epoch have completed, on one device. */
TRACE_EVENT(dmr_frozen,
	TP_PROTO(u64 dev, u64 epoch, u64 chunks),
	TP_ARGS(dev, epoch, chunks),
	TP_STRUCT__entry(
		__field(u64, dev)
		__field(u64, epoch)
		__field(u64, chunks)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->epoch = epoch;
		__entry->chunks = chunks;
	),
	TP_printk("dev %llu:%llu epoch %llu chunks %llu", __entry->dev >> 32,
		  __entry->dev & 0xffffffff, __entry->epoch, __entry->chunks)
);

/* how: enum dmr_end. */
TRACE_EVENT(dmr_end,
	TP_PROTO(u64 group, u64 epoch, u32 how),
	TP_ARGS(group, epoch, how),
	TP_STRUCT__entry(
		__field(u64, group)
		__field(u64, epoch)
		__field(u32, how)
	),
	TP_fast_assign(
		__entry->group = group;
		__entry->epoch = epoch;
		__entry->how = how;
	),
	TP_printk("group %llu epoch %llu %s", __entry->group, __entry->epoch,
		  __print_symbolic(__entry->how, { 1, "commit" },
				   { 2, "abort" }, { 3, "keep" }))
);

/* A held chunk is about to be copied for a write that waits. */
TRACE_EVENT(dmr_preserve,
	TP_PROTO(u64 dev, u64 epoch, u64 chunk),
	TP_ARGS(dev, epoch, chunk),
	TP_STRUCT__entry(
		__field(u64, dev)
		__field(u64, epoch)
		__field(u64, chunk)
	),
	TP_fast_assign(
		__entry->dev = dev;
		__entry->epoch = epoch;
		__entry->chunk = chunk;
	),
	TP_printk("dev %llu:%llu epoch %llu chunk %llu", __entry->dev >> 32,
		  __entry->dev & 0xffffffff, __entry->epoch, __entry->chunk)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>

# SPDX-License-Identifier: GPL-2.0-or-later
# unit-y: one tests/unit-X.c each, built with ASan and UBSan, linked with the
# library and all of replicad but main.o; NAME-y lists further objects.
# tools-y: one tests/X.c each, plain, linked with libreplica.a.
# fault-y: likewise, with a stage of which STAGE_FAULT switches rules off.
# shared-y: a filter for nbdkit, or for LD_PRELOAD, one tests/X.c each.
unit-y += unit-match unit-pair unit-config unit-judge
unit-y += unit-extents unit-header
tools-y += bench/nbd-bench
tools-y += bench/long-link
unit-y += unit-oracle unit-oracle-target
unit-oracle-y := tests/oracle-plan.o tests/oracle-sector.o tests/oracle-image.o
unit-oracle-target-y := $(unit-oracle-y) tests/oracle-state.o \
			tests/oracle-export.o tests/oracle-fault.o
tools-y += dm-turn dmr-ctl netlink-malformed
tools-y += oracle-writer oracle-check oracle-ship oracle-target
oracle-objs := tests/oracle-plan.o tests/oracle-sector.o tests/oracle-image.o \
	       tests/oracle-state.o
dmr-ctl-y := tests/dmr-ctl-io.o tests/dmr.o tests/genl.o
netlink-malformed-y := tests/dmr.o tests/genl.o
oracle-writer-y := $(oracle-objs)
oracle-check-y := $(oracle-objs)
oracle-ship-y := $(oracle-objs) tests/oracle-epoch.o tests/dmr.o tests/genl.o
oracle-target-y := $(oracle-objs) tests/oracle-export.o tests/oracle-fault.o \
		   tests/nbd-script.o
fault-y += powercut-stage-run powercut-stage-check
powercut-stage-run-y := tests/stage-rig.o tests/stage-disk.o \
	tests/stage-disk-cut.o
powercut-stage-check-y := $(powercut-stage-run-y) tests/log-writes.o
tools-y += oracle-watch oracle-sim-writer
tools-y += cut-proxy
oracle-watch-y := $(oracle-objs) tests/nbd-read.o
oracle-sim-writer-y := $(oracle-objs) tests/oracle-writer.o \
	tests/sim-kernel.o tests/sim-event.o tests/sim-hands.o \
	tests/sim-meta.o \
	tests/sim-promote.o tests/sim-grow.o kmod/format.o
build/tests/oracle-sim-writer: LDFLAGS += -Wl,--wrap=open -Wl,--wrap=lseek \
	-Wl,--wrap=pwritev2 -Wl,--wrap=fdatasync -Wl,--wrap=ioctl
unit-y += unit-pump unit-pump-faults unit-pump-spool unit-limit
unit-pump-y := tests/pump-rig.o
unit-pump-faults-y := tests/pump-rig.o
unit-pump-spool-y := tests/pump-rig.o
unit-y += unit-pump-compare
unit-pump-compare-y := tests/pump-rig.o
unit-limit-y := tests/pump-rig.o
$(addprefix build/san/tests/unit-,pump pump-faults pump-spool \
	pump-compare limit): \
	LDFLAGS += -Wl,--wrap=ring_read -Wl,--wrap=ring_write \
	-Wl,--wrap=posix_memalign
unit-y += unit-netlink
unit-y += unit-backend-nbd unit-backend-local
unit-backend-nbd-y := tests/backend-rig.o
unit-backend-local-y := tests/backend-rig.o
unit-y += unit-backend-stage
unit-backend-stage-y := tests/backend-rig.o
unit-y += unit-backend-sums
unit-backend-sums-y := tests/backend-rig.o
build/san/tests/unit-backend-local: LDFLAGS += -Wl,--wrap=ring_fallocate
unit-y += unit-ring unit-uri unit-nbd unit-nbd-bad unit-nbd-servers
unit-nbd-y := tests/nbd-script.o
unit-nbd-bad-y := tests/nbd-script.o
unit-y += unit-nbd-tls
unit-nbd-tls-y := tests/nbd-script.o
unit-y += unit-nbd-ktls
unit-nbd-ktls-y := tests/nbd-script.o
build/san/tests/unit-nbd-ktls: LDFLAGS += -Wl,--wrap=setsockopt
unit-y += unit-nbd-ask
unit-nbd-ask-y := tests/nbd-script.o
unit-y += unit-pairing
unit-y += unit-recover unit-ops-again
build/san/tests/unit-recover: LDFLAGS += -Wl,--wrap=op_status
unit-y += unit-device
unit-device-y := tests/fake-dm.o
tools-y += replicad-sim sim-ctl walk-oracle
sim-objs := tests/sim-kernel.o tests/sim-event.o tests/sim-hands.o \
	    tests/sim-meta.o \
	    tests/sim-promote.o tests/sim-grow.o
build/obj/tests/sim-promote.o build/san/tests/sim-promote.o: \
	cppflags += -Ikmod
replicad-sim-y := $(sim-objs) tests/sim-slow.o kmod/format.o \
		  $(addprefix daemon/,$(filter-out main.o,$(replicad-y)))
sim-ctl-y := $(sim-objs) kmod/format.o
walk-oracle-y := $(sim-objs) kmod/format.o
build/tests/replicad-sim: LDFLAGS += -Wl,--wrap=statvfs \
	-Wl,--wrap=copy_file_range -Wl,--wrap=sync_file_range
tools-y += bench/ship-bench
bench/ship-bench-y := $(addprefix daemon/,backend.o backend-nbd.o \
	backend-nbd-call.o backend-local.o backend-stage.o local-stage.o log.o \
	plugin-options.o $(config-y) state-file.o xfer.o limit.o batch.o pump.o \
	pump-read.o pump-compare.o pump-park.o spool.o window.o)
tools-y += insert-tool successor
build/tests/insert-tool: LDFLAGS += -Wl,--wrap=dm_task_create \
	-Wl,--wrap=dm_task_run
unit-y += unit-dirty
build/san/tests/unit-dirty.o: cppflags += -Itests/kshim -Ikmod
unit-y += unit-ship unit-ship-refusals
unit-ship-y := tests/ship-rig.o $(sim-objs) tests/fake-target.o
unit-ship-refusals-y := $(unit-ship-y)
unit-y += unit-ship-lost
unit-ship-lost-y := $(unit-ship-y)
unit-y += unit-ship-grow
unit-ship-grow-y := $(unit-ship-y)
unit-y += unit-verify
unit-verify-y := $(unit-ship-y)
$(addprefix build/san/tests/unit-,ship ship-refusals ship-lost ship-grow verify \
	continuity): \
	LDFLAGS += -Wl,--wrap=backend_open
tools-y += rpc-call
unit-y += unit-window unit-route
unit-y += unit-pace
unit-pace-y := daemon/pace.o
unit-y += unit-args
unit-args-y := utils/args.o utils/print.o
unit-y += unit-json-text
unit-json-text-y := utils/json-text.o
tools-y += netlink-epochs
tools-y += bench/alternate bench/cut-time
bench/cut-time-y := tests/dmr.o tests/genl.o
unit-y += unit-format
build/san/tests/unit-format.o: cppflags += -Ikmod
tools-y += powercut-run powercut-check
powercut-run-y := tests/dmr.o tests/genl.o
tools-y += meta-fill
build/obj/tests/powercut-check.o build/obj/tests/meta-fill.o: \
	cppflags += -Ikmod
unit-y += unit-disk-documented
unit-disk-documented-y := tests/doc-table.o
build/san/tests/unit-disk-documented.o: cppflags += -Ikmod
unit-y += unit-stage
stage-rig-objs := tests/stage-disk.o tests/stage-disk-cut.o tests/stage-rig.o
unit-stage-y := $(stage-rig-objs)
unit-y += unit-stage-documented
unit-stage-documented-y := tests/doc-table.o
unit-y += unit-stage-crash
unit-stage-crash-y := $(stage-rig-objs)
unit-y += unit-stage-rules
unit-stage-rules-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-local-stage
unit-local-stage-y := daemon/local-stage.o daemon/log.o \
	daemon/plugin-options.o
build/san/tests/unit-local-stage: LDFLAGS += -Wl,--wrap=stage_open
unit-y += unit-stage-disk-full
unit-stage-disk-full-y := $(stage-rig-objs)
unit-y += unit-stage-grow
unit-stage-grow-y := $(stage-rig-objs)
unit-y += unit-stage-bad
unit-stage-bad-y := $(stage-rig-objs)
unit-y += unit-stage-flips unit-stage-flips-device unit-stage-flips-notes
unit-stage-flips-y := $(stage-rig-objs) tests/stage-flips.o
unit-stage-flips-device-y := $(unit-stage-flips-y)
unit-stage-flips-notes-y := $(unit-stage-flips-y)
unit-y += unit-stage-damage unit-stage-behind
unit-stage-damage-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-session
unit-stage-session-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-unreadable
unit-stage-unreadable-y := $(stage-rig-objs)
unit-y += unit-stage-windows
unit-stage-windows-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-slots
unit-stage-slots-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-device
unit-stage-device-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-full
unit-stage-full-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-checkpoint
unit-stage-checkpoint-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-index-full
unit-stage-index-full-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-patience
unit-stage-patience-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-in-place
unit-stage-in-place-y := $(stage-rig-objs) tests/stage-scene.o
tools-y += bench/stage-bench
bench/stage-bench-y := tests/bench/append-uring.o
unit-y += unit-stage-input
unit-stage-input-y := $(stage-rig-objs) tests/stage-scene.o
unit-y += unit-stage-any-order
unit-stage-any-order-y := $(stage-rig-objs) tests/client-model.o \
	tests/client-steps.o tests/client-look.o
tools-y += wire-walk
wire-walk-y := $(stage-rig-objs) tests/client-model.o tests/client-steps.o \
	tests/nbd-read.o
unit-y += unit-stage-index unit-stage-format unit-stage-kill
unit-stage-kill-y := $(stage-rig-objs)
unit-y += fuzz-stage-recover
fuzz-stage-recover-y := $(stage-rig-objs)
shared-y += fail-io hold-filter shift-clock fake-reflink
unit-y += fuzz-format fuzz-header
build/san/tests/fuzz-format.o: cppflags += -Ikmod
unit-y += unit-continuity
unit-continuity-y := $(unit-ship-y)
unit-y += unit-history
unit-y += unit-when
unit-when-y := utils/when.o utils/args.o
tools-y += netlink-fuzz
netlink-fuzz-y := tests/fuzz-walk.o tests/dmr.o tests/genl.o
tools-y += kill-rig
kill-rig-y := tests/dmr.o tests/genl.o
tools-y += fail-nth
fail-nth-y := tests/fail-nth-ops.o tests/fail-nth-tables.o \
	      tests/fail-inject.o tests/dm-raw.o tests/dmr.o tests/genl.o
tools-y += storm
storm-y := tests/storm-load.o tests/dm-raw.o tests/dmr.o tests/genl.o
unit-y += unit-stage-delete
unit-stage-delete-y := $(stage-rig-objs)
unit-y += unit-serve-image
unit-serve-image-y := $(stage-rig-objs)
unit-y += unit-stage-promote
unit-stage-promote-y := $(stage-rig-objs)
unit-y += unit-stage-promote-group
unit-stage-promote-group-y := $(stage-rig-objs)
unit-y += unit-failover-files
build/san/tests/unit-failover-files.o: cppflags += -Ikmod
build/san/tests/unit-failover-files: LDFLAGS += -Wl,--wrap=pwrite \
	-Wl,--wrap=fsync
unit-y += unit-given-up
build/san/tests/unit-given-up: LDFLAGS += -Wl,--wrap=fsync
unit-y += unit-lineage
unit-y += unit-loop

# SPDX-License-Identifier: GPL-2.0-or-later
# Objects of libreplica.a and libreplica.so (exports: libreplica.map).
lib-y += extents.o header.o
lib-y += error.o ring.o ring-time.o ring-work.o ring-buf.o
lib-y += uri.o nbd.o nbd-connect.o nbd-negotiate.o nbd-request.o
lib-y += nbd-tls.o tls.o tls-key.o tls-kernel.o
lib-y += netlink.o netlink-cmd.o netlink-parse.o
lib-y += device.o device-insert.o device-task.o
lib-y += stage.o stage-io.o stage-format.o stage-index.o stage-segment.o
lib-y += stage-log.o stage-epoch.o stage-session.o stage-conn.o stage-image.o
lib-y += stage-walk.o stage-checkpoint.o stage-apply.o
lib-y += stage-chain.o stage-recover.o stage-behind.o stage-leftover.o stage-notice.o
lib-y += stage-inplace.o stage-promote.o stage-members.o stage-volume.o stage-view.o
lib-y += stage-delete.o stage-files.o stage-slots.o stage-device.o
lib-y += history.o history-fetch.o
# Rules that a unit test may switch off.
build/san/lib/stage.o build/san/lib/stage-%.o build/san/tests/unit-stage.o \
build/san/tests/unit-stage-%.o build/san/tests/stage-%.o: \
	cppflags += -DSTAGE_FAULTS

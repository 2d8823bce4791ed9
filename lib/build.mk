# SPDX-License-Identifier: GPL-2.0-or-later
# Objects of libreplica.a and libreplica.so (exports: libreplica.map).
lib-y += extents.o header.o
lib-y += error.o ring.o ring-time.o ring-work.o ring-buf.o
lib-y += uri.o nbd.o nbd-connect.o nbd-negotiate.o nbd-request.o
lib-y += netlink.o netlink-cmd.o netlink-parse.o
lib-y += device.o device-insert.o device-task.o
lib-y += stage.o

# SPDX-License-Identifier: GPL-2.0-or-later
# Objects of libreplica.a and libreplica.so (exports: libreplica.map).
lib-y += extents.o header.o

# SPDX-License-Identifier: GPL-2.0-or-later
# unit-y: one tests/unit-X.c each, built with ASan and UBSan, linked with the
# library and all of replicad but main.o; NAME-y lists further objects.
# tools-y: one tests/X.c each, plain, linked with libreplica.a.
unit-y += unit-pair unit-config
unit-y += unit-extents unit-header
tools-y += bench/nbd-bench

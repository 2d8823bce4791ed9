/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef REPLICAD_VERSION_H
#define REPLICAD_VERSION_H

#define REPLICA_VERSION	"0.1"

#endif

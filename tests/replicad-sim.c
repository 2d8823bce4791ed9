// SPDX-License-Identifier: GPL-2.0-or-later
/* replicad, all of it, on the simulated kernel. */
#include "daemon.h"
#include "sim-kernel.h"

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &sim_kernel_ops);
}

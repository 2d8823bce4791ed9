// SPDX-License-Identifier: GPL-2.0-or-later
#include "daemon.h"
#include "kernel.h"

int main(int argc, char **argv)
{
	return daemon_main(argc, argv, &kernel_netlink_ops);
}

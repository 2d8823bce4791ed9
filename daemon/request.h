/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that come through the kernel, so that a bare dmsetup can drive the
 * daemon: "dmsetup message DEVICE 0 request VERB [ARGS]" with
 *
 *	pause, resume, disable, extend
 *	resync [full]			by digests first, or as it is
 *	verify [repair|stop]
 *	enable TARGET [KEY=VALUE]...	the keys of the configuration
 *
 * There is no way back for an answer: the outcome is logged and told as an
 * event of the volume.
 */
#ifndef REPLICAD_REQUEST_H
#define REPLICAD_REQUEST_H

struct daemon;

/* On the main thread. @device: device-mapper's name. */
void request_from_kernel(struct daemon *daemon, const char *device,
			 const char *text);

#endif

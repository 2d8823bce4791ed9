/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that come through the kernel, so that a bare dmsetup can drive the
 * daemon: "dmsetup message DEVICE 0 request VERB [ARGS]" with
 *
 *	pause, resume, disable
 *	enable TARGET [KEY=VALUE]...	the keys of the configuration
 *	extend [BYTES]
 *	resync [full]			by digests first, or as it is
 *	verify [repair|stop]
 *	failover planned [group]
 *	snapshot NAME, clone NAME, set-type TYPE
 *	target add|set|remove ID [KEY=VALUE]...
 *
 * Each is the method that replicactl calls, and refused where that is. Not
 * here: what asks before data are lost, what answers with a list, and what is
 * done where no device of the volume is.
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

/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pairings: which sites may send to this one, and to which this one may.
 *
 *	INVITED		a port listens for one join, for 15 minutes at most;
 *			kept in memory only [pairing_invite]
 *	  -> SERVING	one has joined: key and record are durable, then it is
 *			told so [on_greeted]; the port goes to an nbdkit with
 *			our plugin, which is started again whenever it ends
 *	  -> ENDING	[on_expired]
 *	SENDING		the other side's half [pairing_join]
 *	any -> ENDING	[pairing_revoke, pairings_stop] freed when its nbdkit
 *			has ended, nobody is at the door, and no verb runs
 *
 * U1 one join: the invitation is over with the first that proves to have the
 *    one-time key, whatever becomes of the answer.
 * U2 a pairing has a port, a key, a process of its own: nbdkit cannot tell a
 *    plugin which key has connected.
 * U3 no key is in an argument, in the log or in a status.
 * U4 its stage is one's at a time: nbdkit's, or the first holder's. nbdkit
 *    comes back when there is no holder.
 * U5 its nbdkit does not outlive us, whatever its clients do: it is killed, so
 *    that the next of us finds the port and the stage free.
 *
 * All on the main thread.
 */
#ifndef REPLICAD_PAIRING_H
#define REPLICAD_PAIRING_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "child.h"
#include "error.h"
#include "pairing-file.h"
#include "ring.h"

#define PAIRING_INVITE_MS	(15 * 60 * 1000)

struct daemon;
struct routing;

enum pairing_state {
	PAIRING_INVITED, PAIRING_SERVING, PAIRING_SENDING, PAIRING_ENDING,
};

/* One who wants its stage, in the order in which they came (U4). */
struct pairing_hold {
	struct pairing_hold *next;
	void (*held)(void *arg);
	void *arg;
};

struct pairing {
	struct pairing *next;		/* daemon->pairings */
	struct daemon *daemon;
	enum pairing_state state;
	struct pairing_record record;
	struct pairing_token token;	/* INVITED */
	int listen_fd;			/* -1: none */
	struct ring_op accept;
	unsigned int nr_visits;		/* at the door */
	struct pairing_hold *holds;	/* the first one has its stage; NULL:
					 * nbdkit has */
	struct ring_timer expiry;	/* INVITED */
	struct ring_timer timer;	/* the next start; SIGKILL */
	uint64_t expires_ns;
	struct routing *routing;	/* verbs, from side to side */
	struct child child;
	uint64_t started_ns;
	unsigned int backoff_ms;
	char reason[120];		/* why it does not serve */
	void (*ended)(void *arg);	/* of pairing_revoke() */
	void *ended_arg;
};

/* Those on disk. */
void pairings_load(struct daemon *daemon);
void pairings_start(struct daemon *daemon);
/* daemon->pairings is NULL when they have ended. */
void pairings_stop(struct daemon *daemon);

/*
 * @record: all but the id; its params are taken over, also on an error. 0 with
 * the text of the token, or -errno with a sentence: -EEXIST, -EINVAL,
 * -EADDRINUSE …
 */
int pairing_invite(struct daemon *daemon, struct pairing_record *record,
		   unsigned int ms, char token[PAIRING_TOKEN_LEN],
		   struct error *err);

/* done() comes later. -errno with a sentence, without a call. */
int pairing_join(struct daemon *daemon, const char *name, const char *token,
		 void (*done)(void *arg, const struct error *err), void *arg,
		 struct error *err);

/* The files go at once; ended() comes, later. -ENOENT, -EBUSY. */
int pairing_revoke(struct daemon *daemon, const char *name,
		   void (*ended)(void *arg), void *arg, struct error *err);

/*
 * U4. The stage of the pair is the caller's until pairing_release(): 0 if it is
 * now, 1 if h->held() comes when its nbdkit has ended and those who came before
 * have released it. @h: the caller's, until the release.
 */
int pairing_hold(struct pairing *p, struct pairing_hold *h);
/* By the first one. The next one's held() comes from inside. */
void pairing_release(struct pairing *p);
/* By a holder: its nbdkit does not make @volume again (create=). 0 or -errno,
 * durable. */
int pairing_forget(struct pairing *p, const char *volume);

/* An array. */
json_t *pairings_json(const struct daemon *daemon);

/* --- between pairing.c and pairing-invite.c ------------------------------ */

struct pairing *pairing_find(const struct daemon *daemon, const char *name);
/* In the list, not on disk. NULL: no memory. Takes the params over. */
struct pairing *pairing_add(struct daemon *daemon,
			    const struct pairing_record *record,
			    enum pairing_state state);
/* Does what its state asks for next; the last step frees it. */
void pairing_step(struct pairing *p);
/* Nobody is let in any more; pairing_step() follows. */
void pairing_close_door(struct pairing *p);

#endif

/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Only in a stage that is made for tests: else none of it is there. */
#ifndef REPLICA_STAGE_FAULT_H
#define REPLICA_STAGE_FAULT_H

/* Rules that a test may switch off, to see that it notices. */
enum stage_fault {
	STAGE_FAULT_S1 = 1 << 0,	/* partial epochs are visible */
	STAGE_FAULT_S2 = 1 << 1,	/* an abort drops partial data too */
	STAGE_FAULT_S3_SYNC = 1 << 2,	/* recovery does not sync */
	STAGE_FAULT_S3_VERIFY = 1 << 3, /* nor look at payloads */
	STAGE_FAULT_S3_COUNT = 1 << 4,	/* nor at count and digest */
	STAGE_FAULT_S3_CLOSE = 1 << 5,	/* a failed sync is tried again */
	STAGE_FAULT_S3_COMMIT = 1 << 30, /* a commit is not synced */
	STAGE_FAULT_S4 = 1 << 6,   /* segments go before the base is synced */
	STAGE_FAULT_S5 = 1 << 7,   /* VOL shows the open epoch */
	STAGE_FAULT_S6 = 1 << 8,   /* history_min does not count */
	STAGE_FAULT_S7 = 1 << 9,   /* the first member commits its group */
	STAGE_FAULT_S8 = 1 << 10,  /* old sessions may write */
	STAGE_FAULT_S9 = 1 << 11,  /* no lock */
	STAGE_FAULT_S10 = 1 << 12, /* nothing pins the applier */
	STAGE_FAULT_W1_WAIT = 1 << 13, /* hello does not wait */
	STAGE_FAULT_W2 = 1 << 14,      /* count and digest are not compared */
	STAGE_FAULT_W4 = 1 << 15,      /* digests of the committed image */
	STAGE_FAULT_NUMBER = 1 << 16,  /* any number may be opened */
	STAGE_FAULT_O5 = 1 << 17,      /* idle, whatever is under way */
	STAGE_FAULT_I1 = 1 << 18,      /* in place without a word */
	STAGE_FAULT_I3 = 1 << 19,      /* … and bases are not synced */
	STAGE_FAULT_I4 = 1 << 20,      /* … at the cost of history_min */
	STAGE_FAULT_IMAGE = 1 << 21,   /* an image has the next epoch's data */
	STAGE_FAULT_F1 = 1 << 22,      /* a fence is not synced */
	STAGE_FAULT_F2 = 1 << 23,      /* the log goes before it has left */
	STAGE_FAULT_F3 = 1 << 24,      /* the base passes the fence */
	STAGE_FAULT_F4 = 1 << 25,      /* a fence is not looked at */
	STAGE_FAULT_S3_BASE = 1 << 26, /* a base's failed sync is good enough */
	STAGE_FAULT_S10_TELL = 1 << 27, /* a broken pin is not told */
	STAGE_FAULT_AGE = 1 << 28,     /* history goes at any age */
	STAGE_FAULT_SIZE = 1 << 29,    /* … is kept at any size */
	STAGE_FAULT_GONE = 1U << 31,   /* … is listed, and cannot be opened */
	STAGE_FAULT_A7 = 1ULL << 32,   /* windows take all there is */
	STAGE_FAULT_I7 = 1ULL << 33,   /* an image is given up for the first */
	STAGE_FAULT_Z9 = 1ULL << 34,   /* what was given up goes last */
	STAGE_FAULT_C2 = 1ULL << 35,   /* a session is not synced */
	STAGE_FAULT_C3 = 1ULL << 36,   /* the only good copy goes first */
};

#ifdef STAGE_FAULTS
extern unsigned long long stage_faults;
#define stage_fault(x)	(stage_faults & STAGE_FAULT_##x)
extern unsigned int stage_fault_patience_ms;	/* 0: as it is */
#else
#define stage_fault(x)	0
#define stage_fault_patience_ms	0
#endif

#endif

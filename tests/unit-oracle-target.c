// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The judge behind oracle-target must see each way in which a daemon can claim
 * an image that it has not: X1, X2, X3 (oracle-export.h). Requests come as from
 * a connection; the records are the writer's.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oracle-fault.h"
#include "tap.h"

#define BYTES	(2 << 20)	/* of a volume */
#define FUA	1

static struct oracle_state *state;
static struct exports x;
static struct oracle_row row;		/* chain 0 */
static char dir[40];
static char state_path[64], target_path[2][64];
static uint64_t seq[2];

static uint64_t request(uint32_t nr, unsigned int command, unsigned int flags,
			uint64_t at, const void *data, uint32_t len)
{
	const struct nbd_request r = {
		.command = command, .flags = flags, .offset = at, .len = len,
	};
	const void *answer = NULL;
	uint64_t before = x.nr_violations;

	exports_execute(&x, nr, &r, data, &answer);
	return x.nr_violations - before;
}

/* Returns the violations that it made, as all below. */
static uint64_t header(uint32_t nr, enum replica_kind kind, uint64_t epoch,
		       unsigned int flags)
{
	struct replica_header h = {
		.kind = kind, .epoch = epoch, .highest_seen = epoch,
		.state = REPLICA_STATE_APPLYING, .role = REPLICA_ROLE_PRIMARY,
		.members = 2, .chunk_bytes = 4096, .volume_bytes = BYTES,
		.generation = 1, .incarnation = 1, .seq = ++seq[nr],
	};
	char slot[REPLICA_SLOT_BYTES];
	struct replica_why why = { "" };

	h.last_clean = x.export[nr].header.last_clean;
	if (kind == REPLICA_KIND_PARTIAL)
		h.last_partial = epoch;
	if (kind == REPLICA_KIND_CLEAN) {
		h.last_clean = epoch;
		h.state = REPLICA_STATE_OK;
	}
	if (replica_header_encode(&h, slot, &why))
		printf("# %s\n", why.text);
	return request(nr, NBD_CMD_WRITE, flags,
		       replica_slot_offset(BYTES, h.seq), slot, sizeof(slot));
}

static uint64_t open_both(uint64_t epoch)
{
	return header(0, REPLICA_KIND_OPEN, epoch, FUA) +
	       header(1, REPLICA_KIND_OPEN, epoch, FUA);
}

static uint64_t commit_both(uint64_t epoch)
{
	request(0, NBD_CMD_FLUSH, 0, 0, NULL, 0);
	request(1, NBD_CMD_FLUSH, 0, 0, NULL, 0);
	return header(0, REPLICA_KIND_CLEAN, epoch, FUA) +
	       header(1, REPLICA_KIND_CLEAN, epoch, FUA);
}

/* The next record of the chain; @ship: the target gets it. */
static uint64_t write_record(bool ship)
{
	static struct oracle_sector data[ORACLE_RECORD_MAX];
	const struct oracle_record *r = oracle_row_next(&row);
	const uint64_t seen[ORACLE_CHAINS_MAX] = { r->number - 1 };
	uint64_t bad = 0;

	oracle_record_fill(&state->plan, 0, r, seen, data);
	atomic_store(&state->chain[0].issued, r->number);
	if (ship)
		bad = request(r->volume, NBD_CMD_WRITE, 0, r->sector * 512,
			      data, r->nr_sectors * 512);
	atomic_store(&state->chain[0].completed, r->number);
	return bad;
}

static void begin(void)
{
	const struct oracle_plan plan = {
		.run = 3, .seed = 1, .nr_chains = 1, .nr_volumes = 2,
		.max_record = 8, .sectors = { BYTES / 512, BYTES / 512 },
	};
	char *paths[2];

	paths[0] = target_path[0];
	paths[1] = target_path[1];
	memset(seq, 0, sizeof(seq));
	is_int(oracle_state_create(state_path, &plan, &state), 0, "a writer");
	oracle_row_begin(&row, &state->plan, 0);
	is_int(exports_create(&x, state, paths, 2), 0, "  and its targets");
	is_int(header(0, REPLICA_KIND_HELLO, 0, FUA) +
	       header(1, REPLICA_KIND_HELLO, 0, FUA), 0, "  say hello");
}

static void end(void)
{
	exports_destroy(&x);
	oracle_state_close(state);
}

static void good_epochs(void)
{
	begin();
	write_record(false);
	write_record(false);
	is_int(open_both(1), 0, "epoch 1");
	oracle_row_begin(&row, &state->plan, 0);
	is_int(write_record(true) + write_record(true), 0, "its data");
	is_int(header(0, REPLICA_KIND_OPEN, 1, FUA), 0, "said again");
	request(0, NBD_CMD_FLUSH, 0, 0, NULL, 0);
	request(1, NBD_CMD_FLUSH, 0, 0, NULL, 0);
	header(0, REPLICA_KIND_CLEAN, 1, FUA);
	is_int(x.nr_images, 0, "one member makes no image");
	header(1, REPLICA_KIND_CLEAN, 1, FUA);
	is_int(x.nr_images, 1, "both do");
	is_int(x.nr_violations, 0, "and it is closed");
	header(0, REPLICA_KIND_CLEAN, 1, FUA);
	is_int(x.nr_images, 1, "said again it is not another");
	end();
}

static void x1_data_needs_an_open_header(void)
{
	begin();
	is_int(request(0, NBD_CMD_WRITE_ZEROES, 0, 0, NULL, 4096), 0,
	       "applying since the hello");
	open_both(1);
	commit_both(1);
	is_int(request(0, NBD_CMD_WRITE_ZEROES, 0, 0, NULL, 4096), 1,
	       "X1: data in an image");
	header(0, REPLICA_KIND_OPEN, 2, 0);
	is_int(request(0, NBD_CMD_WRITE_ZEROES, 0, 0, NULL, 4096), 1,
	       "X1: data after a header that is not durable");
	request(0, NBD_CMD_FLUSH, 0, 0, NULL, 0);
	is_int(request(0, NBD_CMD_WRITE_ZEROES, 0, 0, NULL, 4096), 0,
	       "a flush makes it so");
	is_int(atomic_load(&state->stop), 1, "the writer was told to stop");
	end();
}

static void x2_a_commit_needs_a_flush(void)
{
	begin();
	open_both(1);
	request(0, NBD_CMD_FLUSH, 0, 0, NULL, 0);
	request(0, NBD_CMD_WRITE_ZEROES, 0, 0, NULL, 4096);
	is_int(header(0, REPLICA_KIND_PARTIAL, 1, FUA), 1, "X2: partial");
	is_int(header(0, REPLICA_KIND_CLEAN, 1, FUA), 1, "X2: clean");
	end();
}

static void x3_an_image_is_closed(void)
{
	begin();
	write_record(false);
	write_record(false);
	open_both(1);
	oracle_row_begin(&row, &state->plan, 0);
	write_record(false);
	write_record(true);
	is_int(commit_both(1), 1, "X3: record 2 without record 1");
	end();
}

static void x3_an_image_has_what_had_completed(void)
{
	begin();
	open_both(1);
	commit_both(1);
	write_record(false);
	open_both(2);
	is_int(commit_both(2), 0, "what completed after an image may lack");
	open_both(3);
	is_int(commit_both(3), 1, "X3: in the next it may not");
	end();
}

static void x3_an_image_has_nothing_later(void)
{
	begin();
	open_both(1);
	write_record(true);
	is_int(commit_both(1), 1, "X3: a record of after the cut");
	end();
}

static void a_late_header_does_not_count(void)
{
	begin();
	open_both(1);
	commit_both(1);
	seq[0] += 2;
	header(0, REPLICA_KIND_OPEN, 2, FUA);
	seq[0] -= 2;
	header(0, REPLICA_KIND_CLEAN, 1, FUA);
	is_int(x.export[0].header.kind, REPLICA_KIND_OPEN, "the newest counts");
	is_int(request(0, NBD_CMD_WRITE_ZEROES, 0, 0, NULL, 4096), 0,
	       "and data may come");
	end();
}

/* A daemon that always goes on: every kind of fault strikes. */
static void faults_strike_in_each_phase(void)
{
	static struct faults f;
	bool seen[NR_PHASES][NR_ACTIONS][2] = { { { false } } };
	unsigned int i, kinds = 0;

	begin();
	faults_init(&f, 5, true);
	for (i = 0; i < 20000; i++) {
		struct fault fault = faults_draw(&f, &x, i % PHASE_OTHER);
		bool *one = &seen[fault.phase][fault.action][fault.is_after];

		x.nr_images += i % 7 == 0;
		kinds += fault.action && !*one;
		*one = true;
	}
	is_int(kinds, f.nr, "every kind of fault has struck");
	is_int(f.nr_kinds, f.nr, "and was counted");
	ok(!seen[PHASE_OTHER][ACTION_CUT][0], "and none where none belongs");
	atomic_store(&state->stop, 1);
	for (i = 0, kinds = 0; i < 1000; i++)
		kinds += faults_draw(&f, &x, i % PHASE_OTHER).action;
	is_int(kinds, 0, "when the writer is to stop, all is quiet");
	end();
}

int main(void)
{
	int i;

	strcpy(dir, "/tmp/unit-oracle-target-XXXXXX");
	if (!mkdtemp(dir))
		return 1;
	snprintf(state_path, sizeof(state_path), "%s/state", dir);
	for (i = 0; i < 2; i++)
		snprintf(target_path[i], sizeof(target_path[i]), "%s/%d", dir,
			 i);
	good_epochs();
	x1_data_needs_an_open_header();
	x2_a_commit_needs_a_flush();
	x3_an_image_is_closed();
	x3_an_image_has_what_had_completed();
	x3_an_image_has_nothing_later();
	a_late_header_does_not_count();
	faults_strike_in_each_phase();
	unlink(state_path);
	unlink(target_path[0]);
	unlink(target_path[1]);
	rmdir(dir);
	return tap_done();
}

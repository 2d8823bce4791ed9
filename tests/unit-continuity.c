// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A volume with a metadata device, and crashes. If this failed, a reboot would
 * send everything, or, worse, a device that was written without us would be
 * trusted, or an epoch be cut before the mark that it relies on is durable (U1
 * … U3, J2 … J5).
 */
#include "ship-rig.h"

#include <stdlib.h>
#include <string.h>

#include "insertion.h"
#include "status.h"

#define KEPT	"metadata=/dev/meta"

static uint64_t sent(void)
{
	return group->volumes->bytes_shipped + group->volumes->bytes_zero;
}

static void crash(void)
{
	group_stop(group, 1000, on_stopped);
	run_until(is_closed, 5000);
	free_daemon();
	is_int(sim_reload(rigs[0].name), 0, "the machine crashes");
}

static void says(const char *key, const char *want)
{
	json_t *o = status_volume(group->volumes);
	const char *got = json_string_value(json_object_get(o, key));

	ok(got && strstr(got, want), "%s: %s", key, got ? got : "null");
	json_decref(o);
}

static void test_crash(void)
{
	begin("a crash: only what is dirty is sent", 1, KEPT);
	check_replica(1, "sync");
	says("persistence", "durable");
	write_chunks(&rigs[0], 10, 5);
	check_replica(1, "steady");
	crash();
	write_chunks(&rigs[0], 100, 3);
	start(1, KEPT);
	ok(run_until(is_replicating, 10000), "it replicates");
	is_int(sent(), 3 * CHUNK, "three chunks were sent");
	check_replica(1, "after the crash");
	ok(group->volumes->is_synced, "the replica was never in doubt");
	stop();
}

static void test_superblock_is_behind(void)
{
	begin("a crash before the superblock names the last epochs", 1, KEPT);
	check_replica(1, "sync");
	sim_meta(rigs[0].name, "lazy");
	write_chunks(&rigs[0], 10, 5);
	check_replica(1, "steady");
	crash();
	sim_meta(rigs[0].name, "prompt");
	start(1, KEPT);
	ok(run_until(is_replicating, 10000), "the target may be ahead (J5)");
	is_int(sent(), 5 * CHUNK, "what it has is sent again (D3)");
	check_replica(1, "after the crash");
	stop();
}

static void copy_target(char *to, const char *from)
{
	memcpy(to, from, rigs[0].fake->size);
}

static bool is_target_ready(void)
{
	return group->volumes->target.state == TARGET_READY;
}

static bool is_mended(void)
{
	return !group->volumes->has_meta_failed;
}

static bool has_named(void)
{
	struct replica_header h;

	return fake_header(rigs[0].fake, &h) &&
	       h.named == info_of(&rigs[0]).last_named;
}

static void test_target_lost_data(void)
{
	static char old[BYTES + 2 * MIB];
	uint64_t cuts;

	begin("a target that lost data is recognised across a crash", 1, KEPT);
	check_replica(1, "sync");
	stop();
	copy_target(old, rigs[0].fake->data);
	start(1, KEPT);
	write_chunks(&rigs[0], 10, 5);
	check_replica(1, "steady");
	crash();
	copy_target(rigs[0].fake->data, old);
	sim_meta(rigs[0].name, "stuck");
	cuts = info_of(&rigs[0]).nr_cuts;
	start(1, KEPT);
	ok(run_until(is_target_ready, 10000), "it is connected");
	run_for(300);
	is_int(info_of(&rigs[0]).nr_cuts, cuts,
	       "no epoch is cut while the mark is not durable (U2)");
	stop();
	is_int(sim_reload(rigs[0].name), 0, "it crashes: the mark is lost");
	sim_meta(rigs[0].name, "moving");
	start(1, KEPT);
	ok(run_until(is_replicating, 10000), "it replicates at last");
	is_int(sent(), BYTES, "all of it was sent again");
	check_replica(1, "the target that lost data");
	stop();
}

/* The files of the volume, as a snapshot of its disks has them. */
static void files(const char *verb)
{
	char command[300];

	snprintf(command, sizeof(command), "cd $SIM_DIR; for f in img map view;"
		 " do if [ %s = save ]; then cp %s.$f %s.$f.old; else "
		 "cat %s.$f.old >%s.$f; fi; done", verb, rigs[0].name,
		 rigs[0].name, rigs[0].name, rigs[0].name);
	is_int(system(command), 0, "%s the disks", verb);
}

/* The disks of a moment in the load that goes on (J6). */
static void test_rolled_back_in_a_load(void)
{
	begin("a snapshot of a running primary's disks is restored", 1, KEPT);
	check_replica(1, "sync");
	files("save");
	for (int i = 0; i < 3; i++) {
		write_chunks(&rigs[0], 10 + i, 5);
		check_replica(1, "the same load");
	}
	ok(run_until(has_named, 10000), "a heartbeat says what is named");
	crash();
	files("restore");
	is_int(sim_reload(rigs[0].name), 0, "it comes up");
	start(1, KEPT);
	ok(run_until(is_error, 10000), "state error");
	says("reason", "its metadata named epoch");
	stop();
}

static void test_rolled_back(void)
{
	static char copy[BYTES + 2 * MIB];

	begin("a snapshot of the primary's disks is restored (W5)", 1, KEPT);
	check_replica(1, "sync");
	stop();
	files("save");
	is_int(sim_reload(rigs[0].name), 0, "the next boot");
	start(1, KEPT);
	write_chunks(&rigs[0], 10, 5);
	check_replica(1, "another load");
	crash();
	files("restore");
	is_int(sim_reload(rigs[0].name), 0, "it comes up");
	copy_target(copy, rigs[0].fake->data);
	start(1, KEPT);
	write_chunks(&rigs[0], 20, 2);
	ok(run_until(is_error, 10000), "state error");
	says("reason", "rolled back or cloned");
	says("next_step", "find out which copy");
	group_resume(group);
	ok(run_until(is_error, 10000), "a resume does not help");
	ok(!memcmp(copy, rigs[0].fake->data, rigs[0].fake->size),
	   "not a byte was written");
	volume_accept(group->volumes);
	group_resume(group);
	ok(run_until(is_replicating, 10000), "an operator says that it is right");
	is_int(sent(), BYTES, "all of it is sent");
	check_replica(1, "the older copy");
	stop();
}

/* No target, perhaps a write that nobody sees, and it is put in again. */
static void test_written_without_us(const char *options, bool is_written,
				    bool is_suspect)
{
	struct kernel_form form = { .device = rigs[0].name };
	char error[CONFIG_ERROR_SIZE];

	begin(is_written ? "written while there was no target" :
	      "no target for a while, and nothing was written", 1, options);
	check_replica(1, options);
	stop();
	sim_kernel_ops.take_out(&form, error);
	if (is_written)
		write_chunks(&rigs[0], 30, 1);
	start(1, options);
	says("form", strstr(options, "/vg/") ? "private" :
	     strstr(options, "origin") ? "own" : "inserted");
	ok(group->volumes->identity.is_suspect == is_suspect, "suspect: %d",
	   is_suspect);
	ok(run_until(is_replicating, 10000), "it replicates");
	is_int(sent(), is_suspect ? BYTES : 0, "it sent");
	ok(!group->volumes->identity.is_suspect, "then it is not suspect");
	check_replica(1, "at last");
	stop();
}

/* The volume is suspect: it is not known what differs. */
static void ends_with_all_sent(void)
{
	ok(run_until(is_replicating, 10000), "it replicates");
	is_int(sent(), BYTES, "all of it was sent");
	check_replica(1, "at last");
	stop();
}

/* U4: the counters of the next boot know nothing of it. */
static void test_written_before_a_boot(void)
{
	struct volume_config config = { .name = rigs[0].name };
	char error[CONFIG_ERROR_SIZE] = "";

	begin("disabled, written, booted, enabled", 1, KEPT);
	check_replica(1, "sync");
	stop();
	is_int(insertion_undo(&sim_kernel_ops, getenv("SIM_DIR"), &config,
			      error), 0, "disabled: %s", error);
	write_chunks(&rigs[0], 30, 1);
	sim_reload(rigs[0].name);
	start(1, KEPT " trust_boot=yes");
	ok(group->volumes->identity.is_suspect, "suspect");
	ends_with_all_sent();
}

/* U1: the mark is not durable when the machine crashes. */
static void test_suspicion_survives(void)
{
	struct kernel_form form = { .device = rigs[0].name };
	char error[CONFIG_ERROR_SIZE];

	begin("a suspicion survives a crash", 1, KEPT);
	check_replica(1, "sync");
	stop();
	sim_kernel_ops.take_out(&form, error);
	write_chunks(&rigs[0], 30, 1);
	sim_meta(rigs[0].name, "stuck");
	start(1, KEPT);
	run_for(100);
	stop();
	sim_reload(rigs[0].name);
	sim_kernel_ops.take_out(&form, error);
	sim_meta(rigs[0].name, "moving");
	start(1, KEPT);
	ends_with_all_sent();
}

static void test_table_replaced(void)
{
	begin("another tool replaces the table", 1, KEPT);
	check_replica(1, "sync");
	sim_meta(rigs[0].name, "rip");
	write_chunks(&rigs[0], 40, 1);
	ok(run_until(is_error, 10000), "state error");
	says("reason", "lost its replica target");
	says("next_step", "disable it and enable it again");
	stop();
	start(1, KEPT);
	ok(run_until(is_replicating, 10000), "enabled again, it replicates");
	is_int(sent(), BYTES, "all of it was sent");
	check_replica(1, "at last");
	stop();
}

/* U5: the kernel could not record it, and its counters began anew. */
static void test_replaced_unrecorded(void)
{
	begin("a table is replaced while the metadata fails, then a boot", 1,
	      KEPT);
	check_replica(1, "sync");
	sim_meta(rigs[0].name, "rip unseen");
	write_chunks(&rigs[0], 40, 1);
	ok(run_until(is_error, 10000), "state error");
	crash();
	start(1, KEPT " trust_boot=yes");
	ok(group->volumes->identity.is_suspect, "suspect");
	ends_with_all_sent();
}

static void forget_metadata(uint8_t kernel_volume[16])
{
	struct identity id;

	identity_load(&id, getenv("SIM_DIR"), rigs[0].name);
	ok(memcmp(id.kernel_volume, info_of(&rigs[0]).volume_id, 16) == 0,
	   "NAME.id knows the metadata device");
	identity_note_metadata(&id, getenv("SIM_DIR"), rigs[0].name,
			       kernel_volume);
}

static void test_other_metadata(void)
{
	uint8_t other[16] = { 1, 2, 3 };

	begin("a used metadata device that is not this volume's", 1, KEPT);
	check_replica(1, "sync");
	crash();
	forget_metadata(other);
	start(1, KEPT);
	ok(run_until(is_replicating, 10000), "it replicates");
	is_int(sent(), BYTES, "all of it was sent");
	stop();
	start(1, KEPT);
	ok(run_until(is_replicating, 10000), "then it is this volume's");
	is_int(sent(), 0, "nothing is sent");
	is_int(info_of(&rigs[0]).generation,
	       group->volumes->identity.generation, "of one generation");
	stop();
}

static void test_metadata_fails(void)
{
	begin("the metadata device fails", 1, KEPT);
	check_replica(1, "sync");
	sim_meta(rigs[0].name, "fail");
	write_chunks(&rigs[0], 50, 2);
	ok(run_until(is_replicating, 10000), "it goes on");
	ok(is_equal(&rigs[0]), "hot regions are replicated");
	says("persistence", "failed");
	says("reason", "the metadata device has failed");
	says("next_step", "put the metadata device right");
	sim_meta(rigs[0].name, "mend");
	ok(run_until(is_mended, 10000), "it is mended");
	says("persistence", "durable");
	stop();
}

static void test_no_persistence(void)
{
	begin("metadata=none", 1, "metadata=none");
	check_replica(1, "sync");
	says("persistence", "none");
	crash();
	start(1, "metadata=none");
	ok(run_until(is_replicating, 10000), "after a crash it replicates");
	is_int(sent(), BYTES, "all of it was sent");
	stop();
}

int main(void)
{
	rig_setup();
	test_crash();
	test_superblock_is_behind();
	test_target_lost_data();
	test_rolled_back();
	test_rolled_back_in_a_load();
	test_written_without_us(KEPT, true, true);
	test_written_without_us(KEPT, false, true);
	test_written_without_us(KEPT " trust_boot=yes", true, true);
	test_written_without_us(KEPT " trust_boot=yes", false, false);
	test_written_without_us(KEPT " origin=/dev/sda", false, true);
	test_written_without_us(KEPT " origin=/dev/vg/a", true, true);
	test_written_without_us(KEPT " origin=/dev/vg/a", false, false);
	test_written_before_a_boot();
	test_suspicion_survives();
	test_table_replaced();
	test_replaced_unrecorded();
	test_other_metadata();
	test_metadata_fails();
	test_no_persistence();
	return rig_clear() | tap_done();
}

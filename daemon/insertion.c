// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was written to a device while it had no target, nobody knows.
 *
 * U1 The suspicion is on disk before the target is put in, for a crash must
 *    not forget it; so also where putting it in fails. It is taken back at once
 *    only if the kernel's counters prove that nothing was written since the
 *    device was activated, and only if there was none before. Else it goes when
 *    "mark all" is durable (continuity.c).
 * U4 What is taken out is suspect before it is out: when it comes back, another
 *    boot may have begun the counters anew, and the digests of the kernel are
 *    of a sample.
 */
#include "insertion.h"

#include <stdio.h>
#include <string.h>

#include "identity.h"

static int note(struct identity *id, const char *state_dir, const char *name,
		bool is_suspect, char error[CONFIG_ERROR_SIZE])
{
	int err = id->is_suspect == is_suspect ? 0 :
		  identity_note_suspect(id, state_dir, name, is_suspect);

	if (err)
		snprintf(error, CONFIG_ERROR_SIZE, "%.200s/%s.id: %s",
			 state_dir, name, strerror(-err));
	return err;
}

/* Loads it, and notes that it is suspect. */
static int suspect(struct identity *id, const char *state_dir,
		   const char *name, bool *was_suspect,
		   char error[CONFIG_ERROR_SIZE])
{
	int err = identity_load(id, state_dir, name);

	if (err) {
		snprintf(error, CONFIG_ERROR_SIZE, "%.200s/%s.id: %s",
			 state_dir, name, strerror(-err));
		return err;
	}
	*was_suspect = id->is_suspect;
	return note(id, state_dir, name, true, error);
}

static int insert_new(const struct kernel_ops *ops, const char *state_dir,
		      const struct volume_config *config, const char *device,
		      struct kernel_device *out,
		      char error[CONFIG_ERROR_SIZE])
{
	struct identity id;
	bool was_suspect;
	int err = suspect(&id, state_dir, config->name, &was_suspect, error);

	if (!err)					/* U1 */
		err = ops->insert(device, config->metadata, out, error);
	if (!err && !out->was_written && !was_suspect)
		err = note(&id, state_dir, config->name, false, error);
	return err;
}

static const char *device_of(const struct volume_config *config)
{
	return config->device ? config->device : config->name;
}

int insertion_run(const struct kernel_ops *ops, const char *state_dir,
		  const struct volume_config *config,
		  struct kernel_device *out, char error[CONFIG_ERROR_SIZE])
{
	const char *device = device_of(config);
	int ret = ops->is_plain(device, error);

	if (ret < 0)
		return ret;
	if (ret)
		return insert_new(ops, state_dir, config, device, out, error);
	return ops->insert(device, config->metadata, out, error);
}

int insertion_undo(const struct kernel_ops *ops, const char *state_dir,
		   const struct volume_config *config,
		   char error[CONFIG_ERROR_SIZE])
{
	struct identity id;
	bool was_suspect;
	int err = suspect(&id, state_dir, config->name, &was_suspect, error);

	return err ? err : ops->take_out(device_of(config), error); /* U4 */
}

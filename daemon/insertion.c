// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What was written to a device while it had no target, nobody knows.
 *
 * U1 The suspicion is on disk before the target is put in, for a crash must
 *    not forget it; so also where putting it in fails. It is taken back at once
 *    only if there was none before, the kernel's counters prove that nothing
 *    was written since the device was activated, and nothing else activates it:
 *    its form is private, or the operator says so (trust_boot). Without that,
 *    another system may have written it before this boot. Else it goes when
 *    "mark all" is durable (continuity.c). What is tried again and again for
 *    some seconds at boot (a metadata device may come late) is suspect only if
 *    it was before the first try: the counters count on meanwhile. Not so what
 *    replicad tries again, for hours perhaps: a device that was made anew since
 *    has new counters.
 * U4 What is taken out is suspect before it is out: when it comes back, another
 *    boot may have begun the counters anew, and the digests of the kernel are
 *    of a sample.
 */
#include "insertion.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "identity.h"
#include "state-file.h"

static int note(struct identity *id, const char *state_dir, const char *name,
		bool is_suspect, char error[CONFIG_ERROR_SIZE])
{
	int err = id->is_suspect == is_suspect ? 0 :
		  identity_note_suspect(id, state_dir, name, is_suspect);

	if (err)
		snprintf(error, CONFIG_ERROR_SIZE, "%.200s/%s.id: %s",
			 state_dir, name, state_error(err));
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

struct kernel_form insertion_form(const struct volume_config *config)
{
	return (struct kernel_form){
		.device = config->device ? config->device : config->name,
		.origin = config->origin,
		.metadata = config->metadata,
	};
}

static bool is_trusted(const struct volume_config *config,
		       const struct kernel_device *device)
{
	return !device->was_written &&
	       (config->trusts_boot || !strcmp(device->form, "private"));
}

static int insert_new(const struct kernel_ops *ops, const char *state_dir,
		      const struct volume_config *config,
		      struct insertion_past *past, struct kernel_device *out,
		      char error[CONFIG_ERROR_SIZE])
{
	struct kernel_form form = insertion_form(config);
	struct identity id;
	bool was_suspect;
	int err = suspect(&id, state_dir, config->name, &was_suspect, error);

	if (!err && !past->is_known)
		*past = (struct insertion_past){ true, was_suspect };
	if (!err)					/* U1 */
		err = ops->insert(&form, out, error);
	out->is_suspect = !err && (past->was_suspect ||
				   !is_trusted(config, out));
	if (!err)
		past->is_known = false;
	if (!err && !out->is_suspect)
		err = note(&id, state_dir, config->name, false, error);
	return err;
}

int insertion_run(const struct kernel_ops *ops, const char *state_dir,
		  const struct volume_config *config,
		  struct insertion_past *past, struct kernel_device *out,
		  char error[CONFIG_ERROR_SIZE])
{
	struct kernel_form form = insertion_form(config);
	int ret = ops->is_plain(&form, error);

	out->is_suspect = false;
	if (ret < 0)
		return ret;
	if (ret)
		return insert_new(ops, state_dir, config, past, out, error);
	return ops->insert(&form, out, error);
}

int insertion_look(const struct kernel_ops *ops,
		   const struct volume_config *config,
		   char error[CONFIG_ERROR_SIZE])
{
	const struct kernel_form form = insertion_form(config);
	int ret = ops->is_plain(&form, error);

	return ret < 0 ? ret : 0;
}

/* LVM makes a volume in use larger so: what was written since is unknown. */
static const char has_no_target[] =
"has no replica target any more: another tool has replaced its table (lvextend "
"does), or removed it, and nothing notes what is written. Disable it and enable "
"it again: that takes its new size, and looks at all of it";

int insertion_extend(const struct kernel_ops *ops,
		     const struct kernel_form *look,
		     const struct kernel_form *form, uint64_t *bytes,
		     char error[CONFIG_ERROR_SIZE])
{
	int ret = ops->is_plain(look, error);

	if (ret > 0) {
		snprintf(error, CONFIG_ERROR_SIZE, "%.60s %s", look->device,
			 has_no_target);
		return -ENODEV;
	}
	return ret ? ret : ops->extend(form, bytes, error);
}

int insertion_check_undo(const struct kernel_ops *ops,
			 const struct volume_config *config,
			 char error[CONFIG_ERROR_SIZE])
{
	struct kernel_form form = insertion_form(config);
	int err = ops->check_out(&form, error);

	return err == -EBUSY ? err : 0;
}

int insertion_undo(const struct kernel_ops *ops, const char *state_dir,
		   const struct volume_config *config,
		   char error[CONFIG_ERROR_SIZE])
{
	struct kernel_form form = insertion_form(config);
	struct identity id;
	bool was_suspect;
	int err = suspect(&id, state_dir, config->name, &was_suspect, error);

	return err ? err : ops->take_out(&form, error);		/* U4 */
}

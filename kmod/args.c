// SPDX-License-Identifier: GPL-2.0
/*
 * The table line: one row for each option says its name, where it goes, and
 * which values it takes.
 */
#include "args.h"

#include <linux/log2.h>

#define DEFAULT_CHUNK		8		/* sectors: 4 KiB */
#define DEFAULT_REGION		8192		/* sectors: 4 MiB */
#define DEFAULT_HOT_REGIONS	4096
#define DEFAULT_PRESERVE_PAGES	16384		/* 64 MiB */

struct option {
	const char *name;
	size_t offset;			/* in struct dmr_config, unsigned int */
	unsigned int standard, min, max;
	bool power_of_2;
	char *error;
};

static const struct option options[] = {
	{ "chunk_size", offsetof(struct dmr_config, chunk_sectors),
	  DEFAULT_CHUNK, DMR_MIN_CHUNK, DMR_MAX_CHUNK, true,
	  "chunk_size must be a power of two from 8 to 2048 sectors" },
	{ "region_size", offsetof(struct dmr_config, region_sectors),
	  DEFAULT_REGION, 512, 1U << 26, true,
	  "region_size must be a power of two from 512 to 67108864 sectors" },
	{ "hot_regions", offsetof(struct dmr_config, hot_regions),
	  DEFAULT_HOT_REGIONS, 1, 1U << 24, false,
	  "hot_regions must be from 1 to 16777216" },
	{ "preserve_pages", offsetof(struct dmr_config, preserve_pages),
	  DEFAULT_PRESERVE_PAGES, 0, 1U << 24, false,
	  "preserve_pages must be from 0 to 16777216" },
};

static unsigned int *field(const struct dmr_config *cfg,
			   const struct option *o)
{
	return (unsigned int *)((char *)cfg + o->offset);
}

static void set_defaults(struct dm_target *ti, struct dmr_config *cfg)
{
	unsigned int i;

	cfg->sectors = ti->len;
	cfg->role = DMR_ROLE_PRIMARY;
	for (i = 0; i < ARRAY_SIZE(options); i++)
		*field(cfg, &options[i]) = options[i].standard;
}

static int parse_role(struct dm_target *ti, const char *value,
		      struct dmr_config *cfg)
{
	cfg->has_role = true;
	if (!strcmp(value, "primary")) {
		cfg->role = DMR_ROLE_PRIMARY;
	} else if (!strcmp(value, "secondary")) {
		cfg->role = DMR_ROLE_SECONDARY;
	} else {
		ti->error = "role must be primary or secondary";
		return -EINVAL;
	}
	return 0;
}

static int parse_number(struct dm_target *ti, const struct option *o,
			const char *value, struct dmr_config *cfg)
{
	unsigned int n;

	if (kstrtouint(value, 10, &n) || n < o->min || n > o->max ||
	    (o->power_of_2 && !is_power_of_2(n))) {
		ti->error = o->error;
		return -EINVAL;
	}
	*field(cfg, o) = n;
	return 0;
}

static int parse_option(struct dm_target *ti, const char *name,
			const char *value, struct dmr_config *cfg)
{
	unsigned int i;

	if (!strcmp(name, "role"))
		return parse_role(ti, value, cfg);
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (!strcmp(name, options[i].name))
			return parse_number(ti, &options[i], value, cfg);
	ti->error = "Unknown option";
	return -EINVAL;
}

static int check_shape(struct dm_target *ti, struct dmr_config *cfg)
{
	unsigned int chunks = cfg->region_sectors / cfg->chunk_sectors;

	if (chunks < DMR_MIN_REGION_CHUNKS || chunks > DMR_MAX_REGION_CHUNKS) {
		ti->error = "A region must have from 64 to 32768 chunks";
		return -EINVAL;
	}
	if (ti->begin) {
		ti->error = "The target must begin at sector 0";
		return -EINVAL;
	}
	if (!dmr_layout_init(&cfg->layout, cfg->sectors, cfg->chunk_sectors,
			     cfg->region_sectors)) {
		ti->error = "Too many regions: use a larger region_size";
		return -EINVAL;
	}
	return 0;
}

static int parse_options(struct dm_target *ti, struct dm_arg_set *as,
			 struct dmr_config *cfg)
{
	static const struct dm_arg counts = {
		0, 10, "Wrong number of option words"
	};
	const char *name, *value;
	unsigned int nr;
	int r;

	r = dm_read_arg_group(&counts, as, &nr, &ti->error);
	if (r)
		return r;
	if (nr % 2 || nr != as->argc) {
		ti->error = "Options are pairs of words, counted by <#opts>";
		return -EINVAL;
	}
	while (as->argc) {
		name = dm_shift_arg(as);
		value = dm_shift_arg(as);
		r = parse_option(ti, name, value, cfg);
		if (r)
			return r;
	}
	return 0;
}

int dmr_args_parse(struct dm_target *ti, unsigned int argc, char **argv,
		   struct dmr_config *cfg, const char **meta)
{
	struct dm_arg_set as = { .argc = argc, .argv = argv };
	int r;

	set_defaults(ti, cfg);
	if (argc < 2) {
		ti->error = "Needs <origin dev> <metadata dev | -> <#opts>";
		return -EINVAL;
	}
	*meta = dm_shift_arg(&as);
	if (!strcmp(*meta, "-"))
		*meta = NULL;
	r = parse_options(ti, &as, cfg);
	return r ?: check_shape(ti, cfg);
}

unsigned int dmr_args_print(const struct dmr_config *cfg, const char *meta,
			    char *result, unsigned int maxlen)
{
	bool primary = cfg->role == DMR_ROLE_PRIMARY;
	/* With metadata "primary" is not the default: it may be refused. */
	bool show = !primary || (cfg->has_role && meta);
	unsigned int i, sz = 0, nr = show ? 2 : 0;

	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (*field(cfg, &options[i]) != options[i].standard)
			nr += 2;
	DMEMIT("%s %u", meta ?: "-", nr);
	for (i = 0; i < ARRAY_SIZE(options); i++)
		if (*field(cfg, &options[i]) != options[i].standard)
			DMEMIT(" %s %u", options[i].name,
			       *field(cfg, &options[i]));
	if (show)
		DMEMIT(" role %s", primary ? "primary" : "secondary");
	return sz;
}

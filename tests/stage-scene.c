// SPDX-License-Identifier: GPL-2.0-or-later
#include "stage-scene.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "stage-device.h"

struct disk *d;
struct stage *s;
struct client c;
struct model m;

void begin(const struct stage_options *o, unsigned int nr)
{
	memset(&m, 0, sizeof(m));
	d = disk_create();
	s = rig_create(d, o, nr);
	client_connect(&c, s, "a");
	client_hello(&c, 1, 1);
}

void shut(void)
{
	if (c.conn)
		client_close(&c);
	stage_close(s);
	s = NULL;
}

void end(void)
{
	shut();
	disk_destroy(d);
}

struct stage_info info_now(void)
{
	struct stage_info info;

	stage_get_info(c.v, &info);
	return info;
}

int come_back(uint64_t attaches)
{
	model_drop(&m);
	client_close(&c);
	client_connect(&c, s, "a");
	return client_hello(&c, 1, attaches);
}

int restart(const struct stage_options *o, struct error *err)
{
	struct stage_info info;

	client_close(&c);
	stage_close(s);
	s = rig_open(d, o, err);
	if (!s || !stage_find(s, "a"))
		return err->code ? err->code : -ENOENT;
	stage_get_info(stage_find(s, "a"), &info);
	if (info.state == STAGE_ERROR) {
		*err = info.error;
		return -EIO;
	}
	return client_connect(&c, s, "a");
}

bool write_epochs(uint64_t from, uint64_t to)
{
	for (uint64_t e = from; e <= to; e++)
		if (client_epoch(&c, &m, e, e, true))
			return false;
	return true;
}

bool goes_on(uint64_t epoch)
{
	return c.h.last_clean == m.clean && shows(&c, m.image[m.clean]) &&
	       !client_hello(&c, 1, epoch + 10) &&
	       write_epochs(epoch, epoch + 2);
}

unsigned int count_slots(enum stage_slot_state state)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < s->device->block.nr_slots; i++)
		nr += s->device->slots[i].b.state == state;
	return nr;
}

void spoil_file(const char *path, uint64_t pos)
{
	const struct stage_io *io = disk_io(d);
	int fd = io->open(io->arg, path, O_RDWR);
	char byte;
	struct iovec iov = { &byte, 1 };

	io->pread(io->arg, fd, &byte, 1, pos);
	byte ^= 1;
	io->pwritev(io->arg, fd, &iov, 1, pos);
	io->sync(io->arg, fd);
	io->close(io->arg, fd);
}

void spoil(uint64_t pos)
{
	spoil_file(RIG_DEVICE, pos);
}

uint64_t slot_at(unsigned int slot)
{
	return STAGE_DEVICE_HEAD + (uint64_t)slot * RIG_SLOT;
}

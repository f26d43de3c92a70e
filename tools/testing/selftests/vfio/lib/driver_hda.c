// SPDX-License-Identifier: GPL-2.0
/*
 * Intel's controller for High Definition Audio: one stream of sound that is recorded
 * into a buffer, from its beginning to its end and from the beginning again, until
 * somebody stops it. Software has nothing to do with it.
 */
#include <errno.h>
#include <string.h>

#include "libvfio.h"

#define HDA_GCTL		0x08
#define HDA_GCTL_RUN		0x1	/* 0 is reset */
#define HDA_STATESTS		0x0e	/* 16 bits: a codec each */
#define HDA_INTCTL		0x20
#define HDA_COMMAND		0x60
#define HDA_RESPONSE		0x64
#define HDA_COMMAND_STATUS	0x68	/* 16 bits */
#define HDA_COMMAND_BUSY	0x1
#define HDA_COMMAND_VALID	0x2
/* The first stream there is, which is one for input. */
#define HDA_STREAM_CONTROL	0x80
#define HDA_STREAM_RUN		0x2
#define HDA_STREAM_NUMBER(_n)	((_n) << 20)
#define HDA_STREAM_LENGTH	0x88
#define HDA_STREAM_LAST		0x8c	/* 16 bits */
#define HDA_STREAM_FORMAT	0x92	/* 16 bits */
#define HDA_STREAM_LIST		0x98

/* To a node of the first codec, and what it answers. */
#define SET_FORMAT		0x20000
#define SET_STREAM		0x70600
#define GET_PARAMETER		0xf0000
#define PARAMETER_NODES		0x04
#define PARAMETER_WIDGET	0x09
#define WIDGET_TYPE(_answer)	((_answer) >> 20 & 0xf)
#define WIDGET_AUDIO_INPUT	1
#define FUNCTION_GROUP		1

/* 48 kHz, 16 bits, stereo: 192,000 bytes a second. */
#define FORMAT			0x0011
#define STREAM			1
#define PARTS			2

struct hda_rings {
	struct {
		uint64_t address;
		uint32_t length;
		uint32_t flags;
	} list[PARTS];
};

static void *hda_base(struct dma_driver *driver)
{
	return driver->device->bars[0].mem;
}

static bool is_in_reset(void *base)
{
	return !(mmio_read32(base, HDA_GCTL) & HDA_GCTL_RUN);
}

static bool has_codec(void *base)
{
	return !is_in_reset(base) && mmio_read16(base, HDA_STATESTS) & 1;
}

static bool has_answered(void *base)
{
	return (mmio_read16(base, HDA_COMMAND_STATUS) & (HDA_COMMAND_BUSY | HDA_COMMAND_VALID)) ==
	       HDA_COMMAND_VALID;
}

static int command(void *base, uint32_t node, uint32_t verb, uint32_t *answer)
{
	int err;

	mmio_write16(base, HDA_COMMAND_STATUS, HDA_COMMAND_VALID);
	mmio_write32(base, HDA_COMMAND, node << 20 | verb);
	mmio_write16(base, HDA_COMMAND_STATUS, HDA_COMMAND_BUSY);
	err = wait_until(has_answered, base);
	if (!err)
		*answer = mmio_read32(base, HDA_RESPONSE);
	return err;
}

/* The node that makes a stream of sound, or -ENODEV. */
static int find_input(void *base)
{
	uint32_t nodes, type, node;

	if (command(base, FUNCTION_GROUP, GET_PARAMETER | PARAMETER_NODES, &nodes))
		return -EIO;
	for (node = nodes >> 16 & 0xff; node < (nodes >> 16 & 0xff) + (nodes & 0xff); node++) {
		if (command(base, node, GET_PARAMETER | PARAMETER_WIDGET, &type))
			return -EIO;
		if (WIDGET_TYPE(type) == WIDGET_AUDIO_INPUT)
			return node;
	}
	return -ENODEV;
}

static int reset(void *base)
{
	int err;

	mmio_write32(base, HDA_GCTL, 0);
	err = wait_until(is_in_reset, base);
	if (err)
		return err;
	mmio_write32(base, HDA_GCTL, HDA_GCTL_RUN);
	return wait_until(has_codec, base);
}

static int hda_init(struct dma_driver *driver)
{
	uint64_t sound = driver->area->iova + HDA_SOUND, list = driver->rings_iova;
	struct hda_rings *rings = driver->rings;
	void *base = hda_base(driver);
	int err = reset(base), node, i;
	uint32_t answer;

	if (err)
		return err;
	node = find_input(base);
	if (node < 0)
		return node;
	for (i = 0; i < PARTS; i++) {
		rings->list[i].address = sound + i * (HDA_SOUND_SIZE / PARTS);
		rings->list[i].length = HDA_SOUND_SIZE / PARTS;
	}
	mmio_write32(base, HDA_INTCTL, 0);
	mmio_write32(base, HDA_STREAM_LIST, list);
	mmio_write32(base, HDA_STREAM_LIST + 4, list >> 32);
	mmio_write32(base, HDA_STREAM_LENGTH, HDA_SOUND_SIZE);
	mmio_write16(base, HDA_STREAM_LAST, PARTS - 1);
	mmio_write16(base, HDA_STREAM_FORMAT, FORMAT);
	err = command(base, node, SET_FORMAT | FORMAT, &answer);
	if (!err)
		err = command(base, node, SET_STREAM | STREAM << 4, &answer);
	mmio_write32(base, HDA_STREAM_CONTROL, HDA_STREAM_NUMBER(STREAM) | HDA_STREAM_RUN);
	return err;
}

static void hda_remove(struct dma_driver *driver)
{
	mmio_write32(hda_base(driver), HDA_STREAM_CONTROL, 0);
}

static bool hda_is_running(struct dma_driver *driver)
{
	void *base = hda_base(driver);

	return !is_in_reset(base) &&
	       (mmio_read32(base, HDA_STREAM_CONTROL) & 0xffffff) ==
	       (HDA_STREAM_NUMBER(STREAM) | HDA_STREAM_RUN) &&
	       mmio_read32(base, HDA_STREAM_LENGTH) == HDA_SOUND_SIZE &&
	       mmio_read32(base, HDA_STREAM_LIST) == (uint32_t)driver->rings_iova;
}

const struct dma_driver_ops hda_ops = {
	.name = "hda",
	.vendor = 0x8086,
	.device = 0x293e,
	.class = 0x040300,
	.irq_index = VFIO_PCI_MSI_IRQ_INDEX,
	.more = HDA_SOUND + HDA_SOUND_SIZE - AREA_BUFFERS,
	.init = hda_init,
	.remove = hda_remove,
	.is_running = hda_is_running,
};
